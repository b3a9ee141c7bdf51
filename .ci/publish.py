"""Build the published site with Quarto, as `nbdev_docs` does, with the reference that `docs.py site` checks.

    publish.py      needs Quarto; leaves the site in `_docs`
"""
import os
import sys
from pathlib import Path

os.environ['PYTHONPATH'] = os.pathsep.join((str(Path(__file__).parent), os.environ.get('PYTHONPATH', '')))     # for nbdev's processes

import nbdev.serve  # noqa: E402
from nbdev.config import get_config  # noqa: E402
from nbdev.quarto import nbdev_docs  # noqa: E402
from reference import Filter  # noqa: E402

if __name__ == '__main__':
    sys.path.insert(0, str(get_config().config_path))
    (get_config().config_path / 'README.md').touch()      # docs.py writes it: nbdev leaves a newer one alone
    nbdev.serve.FilterDefaults = Filter
    nbdev_docs.__wrapped__()
