"Everything that changes lives in `settings.ini`; edit there, not here."
import re
import shlex
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
parser = ConfigParser(delimiters=['='])
parser.read(here / 'settings.ini', encoding='utf-8')
cfg = parser['DEFAULT']
lib, git, branch = cfg['lib_name'], cfg['git_url'], cfg['branch']
site = f"{cfg['doc_host']}{cfg['doc_baseurl']}/"
minor = int(cfg['min_python'].split('.')[1])


def absolute(text):
    "The README with links and images that also lead somewhere from a package index: pages of the site, files of the repository."
    raw = git.replace('https://github.com', 'https://raw.githubusercontent.com')
    text = re.sub(r'(!\[[^]]*\]\()(?![a-z]+:|#)', rf'\1{raw}/{branch}/', text)
    page = lambda m: f"{m[1]}{site}{re.sub(r'^[0-9]+[a-zA-Z0-9]*_', '', m[2])}.html"
    text = re.sub(r'((?<!!)\[[^]]*\]\()nbs/([\w.]+)\.ipynb', page, text)
    return re.sub(r'((?<!!)\[[^]]*\]\()(?![a-z]+:|#)', rf'\1{git}/blob/{branch}/', text)


setup(
    name=lib, version=cfg['version'], description=cfg['description'], keywords=cfg['keywords'],
    author=cfg['author'], url=site,
    license='Apache-2.0', license_files=['LICENSE', f'{lib}/stocks/LICENSE.txt'],
    long_description=absolute((here / 'README.md').read_text('utf-8')), long_description_content_type='text/markdown',
    project_urls={'Documentation': site, 'Source': git, 'Issues': f'{git}/issues',
                  'Loss is NaN? Start here': f'{site}story_symptoms.html'},
    classifiers=['Development Status :: 3 - Alpha', 'Intended Audience :: Developers', 'Intended Audience :: Science/Research',
                 'Intended Audience :: Financial and Insurance Industry', 'Natural Language :: English',
                 'Operating System :: OS Independent', 'Framework :: Jupyter', 'Typing :: Typed',
                 'Programming Language :: Python :: 3', 'Programming Language :: Python :: 3 :: Only',
                 *(f'Programming Language :: Python :: 3.{n}' for n in range(minor, 14)),
                 'Topic :: Scientific/Engineering :: Artificial Intelligence'],
    packages=find_packages(include=[lib, f'{lib}.*']), package_data={lib: ['py.typed', 'stocks/*']},
    python_requires='>=' + cfg['min_python'],
    install_requires=shlex.split(cfg['requirements']),
    extras_require={k.removesuffix('_requirements'): shlex.split(v) for k, v in cfg.items() if k.endswith('_requirements')},
    entry_points={'console_scripts': shlex.split(cfg['console_scripts']), 'nbdev': [f'{lib}={lib}._modidx:d']})
