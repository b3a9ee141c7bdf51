"Public names: docstring, types, docments. Cells: known directives, in their place. Notebooks: form, import order, words that are searched."
import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator

from execnb.nbio import read_nb
from fastcore.docments import docments, empty
from nbdev.config import get_config
from nbdev.process import extract_directives

KNOWN = set('''default_exp export exporti exports hide hide_line slow cuda eval: echo: output: include: label: warning:
    fig-cap: fig-alt: fig-width: fig-height: tbl-cap: code-fold: code-summary: column:'''.split())


def signature(name, f):
    "What is missing in the documentation of one function."
    if not f.__doc__ and not name.endswith('.__init__'):
        yield f'{name}: no docstring'
    for p, d in docments(f, full=True, args_kwargs=True).items():
        if p in ('self', 'cls'):
            continue
        none = p == 'return' and d.anno in (None, 'None', Iterator[None], empty)
        if d.anno is empty and (p != 'return' or name.split('.')[-1] != '__init__'):
            yield f'{name}({p}): no type'
        hook = name.split('.')[-1].startswith('on_')     # a framework's callback: its parameters are documented there
        if not d.docment and not none and not hook:
            yield f'{name}({p}): no docment'


def fields(name, cls):
    "Public fields of a dataclass that have no comment of their own."
    src = inspect.getsource(cls)
    lines = src.splitlines()
    body = ast.parse(inspect.cleandoc(src)).body[0].body
    for a in body:
        if isinstance(a, ast.AnnAssign) and a.target.id[0] != '_':
            if not any('#' in x for x in lines[a.lineno - 1:a.end_lineno]):
                yield f'{name}({a.target.id}): no docment'


def public(mod):
    "What is missing in the documentation of the names that a module exports."
    for n in mod.__all__:
        o = getattr(mod, n)
        if inspect.isfunction(o):
            yield from signature(n, o)
        if not inspect.isclass(o):
            continue
        if not o.__doc__ or o.__doc__.startswith(f'{n}('):     # a dataclass writes its signature there
            yield f'{n}: no docstring'
        if '__dataclass_fields__' in vars(o):
            yield from fields(n, o)
        for k, f in vars(o).items():
            if isinstance(f, property) and f.fget and k[0] != '_':
                if not f.__doc__ or 'return' not in f.fget.__annotations__:
                    yield f'{n}.{k}: no docstring or no type'
                continue
            f = getattr(f, '__func__', f)
            own = inspect.isfunction(f) and f.__module__ == mod.__name__ and f.__qualname__.startswith(n)
            generated = k == '__init__' and '__dataclass_fields__' in vars(o)
            if own and not generated and (k[0] != '_' or k == '__init__'):
                yield from signature(f'{n}.{k}', f)


def numbers(paths):
    "The number of the page that exports each module; a chapter's name has the number of its door."
    found = {}
    for p in paths:
        text = '\n'.join(c.source for c in read_nb(p).cells if c.cell_type == 'code')
        for name in re.findall(r'^#\| default_exp (\S+)$', text, flags=re.M):
            found[name.removesuffix('.__init__')] = p.stem.split('_')[0]
    return found


def notebook(path, number):
    "Directives that nbdev would silently ignore, imports against the number order, and a page without its head or tail."
    cells = [c for c in read_nb(path).cells if c.source.strip()]
    for c in cells:
        if c.cell_type != 'code':
            continue
        d = extract_directives(c, remove=False)
        for k in d.keys() - KNOWN:
            yield f'cell {c.id}: unknown directive {k}'
        for line in c.source.splitlines():
            if re.match(r'\s*#\s*\|', line) and not re.match(r'#\|\s?[\w-]+', line):
                yield f'cell {c.id}: {line.strip()!r} is not how a directive is written'
        below = re.split(r'^(?!#\||%%|$)', c.source, maxsplit=1, flags=re.M)[1:]
        for k in re.findall(r'^#\|\s*([\w-]+:?)', ''.join(below), flags=re.M):
            yield f'cell {c.id}: directive {k} stands below code, where it does nothing'
        for inner, m in re.findall(r'^(\s*)(?:from|import) tft_nb\.([\w.]+)', c.source, flags=re.M):
            if inner and m.split('.')[0] == path.stem.partition('_')[2].split('.')[0]:
                continue      # inside a function a page may use another one of its chapter
            if 'hide' not in d and number.get(m, '') > path.stem.split('_')[0] and path.stem[0].isdigit():
                yield f'cell {c.id}: imports {m}, which comes later'
        if c.cell_type == 'code' and 'nbdev_export(' not in c.source and not d.keys() & {'export', 'exports', 'exporti', 'eval:'}:
            kinds = {type(n) for n in ast.walk(ast.parse(c.source))}
            if kinds & {ast.Import, ast.ImportFrom} and kinds & {ast.Expr, ast.Assign}:
                yield f'cell {c.id}: imports must stand alone in a cell (nbdev runs such cells when it builds the docs)'
    head = next((c.source for c in cells if c.cell_type == 'markdown'), '')
    if not re.fullmatch(r'# [^\n]+\n\s*\n?> [^\n]+\s*', head):
        yield 'the first prose cell must be a title and a summary and no more (nbdev drops the rest): "# Title", "> one line"'
    exports = bool(re.match(r'\d\d[a-z]?_', path.stem))
    text = '\n'.join(c.source for c in cells if c.cell_type == 'code')
    name, own = re.findall(r'^#\| default_exp (\S+)$', text, flags=re.M), path.stem.partition('_')[2]
    if exports and name not in ([own], [f'{own}.__init__'], ['__init__']):
        yield f'one cell must say "#| default_exp {own}", or "{own}.__init__" for the door of a chapter'
    if exports and 'nbdev_export()' not in cells[-1].source:
        yield 'the last cell must call nbdev_export()'
    if not exports and re.search(r'^#\| *(default_exp|export)', text, flags=re.M):
        yield 'a story exports nothing'


def module_names(cfg):
    "Dotted names of the modules that notebooks export; a folder stands for its door."
    files = [p.relative_to(cfg.config_path).with_suffix('') for p in sorted(cfg.lib_path.rglob('*.py')) if p.stem != '_modidx']
    return ['.'.join(p.parts).removesuffix('.__init__') for p in files if p.parts != (cfg.lib_name, '__init__')]


def glossary(path):
    "The table of the home page: each word has its own anchor, to which the site links the first use on every page."
    text = '\n'.join(c.source for c in read_nb(path).cells if c.cell_type == 'markdown')
    rows = re.findall(r'^\| *word *\| *meaning *\|\n\|[-|]+\n((?:\|.*\n?)+)', text, flags=re.M)
    if not rows:
        yield 'the home page has no glossary: a table "| word | meaning |"'
    for row in ''.join(rows).splitlines():
        word = re.match(r'\| \[(.+?)\]\{#word-([\w-]+)\} \| .+ \|$', row)
        if not word or word[1].replace(' ', '-') != word[2]:
            yield f'glossary: {row!r} is not "| [word]{{#word-word}} | meaning |"'


SEARCHED = ('exploding gradients', 'gradient explosion', 'nan loss', 'loss is nan', 'loss does not decrease', 'loss is not decreasing',
            'flat forecasts', 'constant predictions', 'vanishing gradients', 'cuda out of memory')


def searched(path):
    "What people type into a search field stands on the page of symptoms, word by word."
    text = ' '.join(c.source for c in read_nb(path).cells if c.cell_type == 'markdown').lower()
    for phrase in SEARCHED:
        if phrase not in text:
            yield f'a search for {phrase!r} does not find this page'


MODULE, CELL, RUN = 500, 40, 60      # lines at most: of a module, of an exported cell, of exported cells before one that runs


def sizes(path):
    "Exported cells that are too long to be one idea, and how many exported lines stand before something runs."
    lines, longest = 0, 0
    for c in read_nb(path).cells:
        if c.cell_type != 'code' or not c.source.strip():
            continue
        body = [x for x in c.source.splitlines() if x.strip() and not x.startswith('#|')]
        d = extract_directives(c, remove=False)
        if d.keys() & {'export', 'exports', 'exporti'}:
            if not all(x.startswith(('import ', 'from ')) for x in body if not x.startswith(' ')):
                lines += len(body)
            if len(c.source.splitlines()) > CELL:
                yield f'cell {c.id} exports {len(c.source.splitlines())} lines, at most {CELL}'
        elif 'default_exp' not in d and 'import ' not in c.source.splitlines()[-1]:
            longest, lines = max(longest, lines), 0
    if max(longest, lines) > RUN:
        yield f'{max(longest, lines)} exported lines stand before a cell that runs, at most {RUN}'


def main():
    cfg = get_config()
    sys.path.insert(0, str(cfg.config_path))
    bad, signs = [], []      # faults; pages that may hold more than one idea
    modules = module_names(cfg)
    for m in modules:
        bad += [f'{m}: {b}' for b in public(importlib.import_module(m))]
    nbs = sorted(cfg.nbs_path.glob('*.ipynb'))
    number = numbers(nbs)
    for p in cfg.lib_path.rglob('*.py'):
        count = len(p.read_text(encoding='utf-8').splitlines())
        if count > MODULE and p.stem != '_modidx':
            bad.append(f'{p.relative_to(cfg.config_path)} has {count} lines, at most {MODULE}')
    bad += [f'{cfg.readme_nb}: {b}' for b in glossary(cfg.nbs_path / cfg.readme_nb)]
    bad += [f'story_symptoms.ipynb: {b}' for b in searched(cfg.nbs_path / 'story_symptoms.ipynb')]
    for p in nbs:
        bad += [f'{p.name}: {b}' for b in notebook(p, number)]
        signs += [f'{p.name}: {b}' for b in sizes(p)]
    print(f'{len(signs)} signs that a page may be too dense:', *signs, sep='\n  ')
    print('\n'.join(bad) or f'{len(modules)} modules and {len(nbs)} notebooks are in order')
    sys.exit(bool(bad) or not modules)


if __name__ == '__main__':
    main()
