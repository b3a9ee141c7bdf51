"What the pages of the book import, imported once in the process that each page's own process is a fork of."
import contextlib
import importlib

from nbdev.config import get_config

for name in ('nbdev.processors', 'nbdev.showdoc', 'scipy.stats', 'seaborn', 'sklearn.pipeline', 'torch', get_config().lib_name):
    with contextlib.suppress(ImportError):      # the page that needs it will say so
        importlib.import_module(name)
importlib.import_module('reference').complete()
