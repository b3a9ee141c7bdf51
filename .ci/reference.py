"""The reference inside the pages: what `show_doc` prints, and where a name in backticks leads.

`Filter` is nbdev's filter with five changes. An entry is a signature and a table of parameters (nbdev prints comments in which
backticks stay raw); the entry of a class is followed by one for each public method; and names that the door of a chapter defines,
or only hands on, are looked up too (nbdev's index leaves out every `__init__`). The first use of
a word of the glossary on a page is a link to its meaning. Long cells of code are closed until they are asked for.
"""
import importlib
import inspect
import re
import sys
from dataclasses import MISSING
from functools import lru_cache

import nbdev.processors
import nbdev.showdoc
from execnb.nbio import read_nb
from fastcore.docments import docments
from nbdev.config import get_config
from nbdev.doclinks import NbdevLookup, _nbpath2html
from nbdev.process import Processor
from nbdev.processors import FilterDefaults

CFG = get_config()
LIB, BASE = CFG.lib_name, f'{CFG.doc_host}{CFG.doc_baseurl}/'
PAGES = {}      # module → page of the site
for path in CFG.nbs_path.glob('*.ipynb'):
    if found := re.search(r'"#\| *default_exp (\S+?)(?:\\n)?"', path.read_text(encoding='utf-8')):
        module = f'{LIB}.{found[1]}'.removesuffix('.__init__')
        PAGES[module] = _nbpath2html(path).name
explained = set()       # names that the page itself calls `show_doc` for
here = ''               # module that the page exports; empty in a story


def own(o):
    "Whether a class is of this package, or defined in the page that runs."
    return o.__module__ == '__main__' or o.__module__.split('.')[0] == LIB


def members(cls):
    "Name and function of the public methods and properties of a class, those of the package's base classes too."
    found = {}
    for c in reversed([c for c in cls.__mro__ if own(c)]):
        found.update({k: f for k, f in vars(c).items() if k[0] != '_'})
    for k, f in found.items():
        f = getattr(f, 'func', f) if type(f).__name__ == 'cached_property' else f
        f = getattr(f, '__func__', f)
        if isinstance(f, property) or inspect.isfunction(f):
            yield k, f


def public(module):
    "Classes and functions that the page of a module explains: those it defines and lets others import."
    names = getattr(module, '__all__', ())
    return {n: o for n in names if n[0] != '_' and (inspect.isclass(o := getattr(module, n)) or inspect.isfunction(o))
            and o.__module__ == module.__name__ and o.__name__ == n}


@lru_cache(None)
def anchor(module, name):
    "The id of a name's entry: in small letters, as nbdev writes links; a class beside a function `sign` is `sign-class`."
    first, _, rest = name.partition('.')
    twins = [n for n in public(sys.modules[module]) if n.lower() == first.lower()] if module in sys.modules else []
    return (first.lower() + ('-class' if len(twins) > 1 and first != first.lower() else '') + ('.' + rest if rest else '')).lower()


@lru_cache(None)
def complete():
    "nbdev's index of names, and what it leaves out: doors, inherited methods, names that a door hands on."
    syms, link = NbdevLookup().syms, NbdevLookup.link_line     # every lookup shares the table
    apart = re.compile(r'(\[[^]\n]*\]\([^)\n]*\))')      # a link whose text is a name stays as it is written
    NbdevLookup.link_line = lambda self, text: ''.join(s if apart.fullmatch(s) else link(self, s) for s in apart.split(text))
    for m in sorted(PAGES, key=lambda m: m.count('.')):
        module = importlib.import_module(m)
        if m.count('.') > 1:      # `guard.clip`: the page
            syms.setdefault(m.partition('.')[2], (BASE + PAGES[m], '', ''))
        for n in getattr(module, '__all__', ()):
            o = getattr(module, n, None)
            there = getattr(o, '__module__', None)
            if not (inspect.isclass(o) or inspect.isfunction(o)) or there not in PAGES:
                continue
            file = inspect.getsourcefile(sys.modules[there])
            py = file[file.rindex(f'{LIB}/' if '/' in file else f'{LIB}\\'):].replace('\\', '/')
            names = [n, *(f'{n}.{k}' for k, _ in members(o))] if inspect.isclass(o) else [n]
            for name in names:
                entry = (f'{BASE}{PAGES[there]}#{anchor(there, name)}', py, f'{CFG.git_url}/blob/{CFG.branch}/{py}')
                for key in (f'{m}.{name}', name):
                    if key not in syms or anchor(there, name) != name.lower():
                        syms[key] = entry


def missing(site):
    "Public classes, functions, methods and properties without an entry on the page that defines them, or out of its contents."
    for m, page in PAGES.items():
        module = importlib.import_module(m)
        text = (site / page).read_text(encoding='utf-8') if (site / page).exists() else ''
        contents = text[text.rfind('<nav class="toc"'):]
        for n, o in public(module).items():
            for name in [n, *(f'{n}.{k}' for k, _ in members(o))] if inspect.isclass(o) else [n]:
                a = anchor(m, name)
                if text and f' id="{a}"' not in text:
                    yield f'{page}: `{m}.{name}` has no entry'
                elif text and f'href="#{a}"' not in contents:
                    yield f'{page}: `{m}.{name}` has no line in the contents'


def kind(anno):
    "A type as people write it."
    if anno is inspect.Parameter.empty:
        return ''
    text = anno if isinstance(anno, str) else inspect.formatannotation(anno)
    text = re.sub(r'numpy\.ndarray\[tuple\[(?:typing\.)?Any, \.\.\.\], numpy\.dtype\[(.*?)\]\]', r'NDArray[\1]', text)
    text = re.sub(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])|^'|'$|<class '|'>|~", '', text)
    text = re.sub(r'Optional\[(\w+)\]', r'\1 | None', text)
    return re.sub(r'Union\[([\w, ]+)\]', lambda m: m[1].replace(', ', ' | ').replace('NoneType', 'None'), text)


def value(default):
    "A default as people write it."
    if default is MISSING or type(default).__name__ == '_HAS_DEFAULT_FACTORY_CLASS':
        return '…'
    text = default.__name__ if inspect.isfunction(default) or inspect.isclass(default) else repr(default)
    return text if len(text) <= 60 else '…'


def signature(o):
    try:
        return inspect.signature(o, eval_str=True)
    except (NameError, TypeError, ValueError):
        return inspect.signature(o)


def meanings(o):
    "The comment of each parameter, of a dataclass's inherited fields too, and of a named tuple's fields."
    if hasattr(o, '_fields'):
        return dict(re.findall(r'^    (\w+): .*?  # (.+)$', inspect.getsource(o), flags=re.M))
    found = {}
    for c in reversed(o.__mro__) if inspect.isclass(o) else [o]:
        if c is o or own(c):
            try:
                found.update({k: d.docment for k, d in docments(c, full=True).items() if d.docment})
            except (AttributeError, TypeError, OSError, IndexError):
                pass
    return found


def table(o, sig):
    "Parameters, types, defaults and meanings: one row each; columns that would be empty are left out."      # `<code>`: not looked up
    said = meanings(o)
    rows = []
    for p in sig.parameters.values():
        if p.name in ('self', 'cls'):
            continue
        star = {p.VAR_POSITIONAL: '*', p.VAR_KEYWORD: '**'}.get(p.kind, '')
        default = '' if p.default is p.empty else f'`{value(p.default)}`'
        rows.append([f'<code>{star}{p.name}</code>'.replace('*', r'\*'), kind(p.annotation), default, said.get(p.name, '')])
    back = kind(sig.return_annotation)
    if not inspect.isclass(o) and (said.get('return') or back not in ('', 'None')):
        rows.append(['returns', back, '', said.get('return', '')])
    if not rows:
        return ''
    columns = [('name', 18), ('type', 24), ('default', 14), ('meaning', 60)]
    keep = [i for i in range(4) if i == 0 or any(r[i] for r in rows)]
    line = lambda r: '| ' + ' | '.join(r[i] for i in keep) + ' |'
    cell = lambda s: ' '.join(s.split()).replace('|', '\\|') if '`' not in s else protect(' '.join(s.split()))
    rows = [[r[0], f'`{r[1]}`' if r[1] else '', r[2], cell(r[3])] for r in rows]
    dashes = '|' + '|'.join('-' * columns[i][1] for i in keep) + '|'
    return '\n'.join(['::: {.parameters}', line([c for c, _ in columns]), dashes, *map(line, rows), '', ':::'])


def protect(text):
    "Escape the bars that stand outside code."
    return ''.join(s if s.startswith('`') else s.replace('|', '\\|') for s in re.split(r'(`[^`]*`)', text))


def exported(o):
    "The module's own class or function instead of the page's: the same, with source and comments."
    if getattr(o, '__module__', '') != '__main__' or not here:
        return o
    found = importlib.import_module(here)
    for part in o.__qualname__.split('.'):
        found = inspect.getattr_static(found, part, None)
    found = getattr(found, '__func__', found)
    found = found if inspect.isclass(found) or inspect.isfunction(found) else o
    return found if inspect.isclass(found) else inspect.unwrap(found)


def bare(o):
    "A class that nobody calls with arguments of its own: a protocol, or an error without a constructor."
    error = inspect.isclass(o) and issubclass(o, BaseException)
    return getattr(o, '_is_protocol', False) or (error and not inspect.isfunction(o.__init__))


class Entry:
    "One name of the reference: heading with its anchor, link to the source, signature, sentence, table; then a class's methods."

    def __init__(self, sym, name=None, title_level=3, static=False):
        self.sym = exported(sym if inspect.isclass(sym) else inspect.unwrap(sym))
        self.name, self.level = name or getattr(sym, '__qualname__', None) or sym.fget.__qualname__, title_level
        self.bound = '.' in self.name and not static      # its first parameter, `self` or what stands for it, is not given

    def source(self):
        f = getattr(self.sym, 'fget', None) or self.sym
        f = f if inspect.isclass(f) else inspect.unwrap(f)
        try:
            file, line = inspect.getsourcefile(f), inspect.getsourcelines(f)[1]
        except (OSError, TypeError):
            return ''
        py = file.replace('\\', '/').rpartition(f'/{LIB}/')[2]
        return f'{CFG.git_url}/blob/{CFG.branch}/{LIB}/{py}#L{line}'

    def one(self):
        f = getattr(self.sym, 'fget', None) or self.sym
        yield '---' if self.level == 3 else ''
        if self.source():
            yield f'[source]({self.source()}){{target="_blank" style="float:right; font-size:smaller"}}'
        yield f'{"#" * self.level} {self.name.replace("_", chr(92) + "_")} {{#{anchor(here, self.name)}}}'
        try:
            sig = None if bare(f) else signature(f)
        except (TypeError, ValueError):
            sig = None
        if isinstance(self.sym, property):
            yield f'```python\n{self.name}: {kind(sig.return_annotation) if sig else "Any"}\n```'
        elif sig is not None:
            sig = sig.replace(parameters=list(sig.parameters.values())[self.bound:])
            args = [p.replace(annotation=p.empty) for p in sig.parameters.values() if p.name not in ('self', 'cls')]
            short = [p.replace(default=Shown(value(p.default))) if p.default is not p.empty else p for p in args]
            text = str(sig.replace(parameters=short, return_annotation=sig.empty))
            yield f'```python\n{wrapped(self.name, text)}\n```'
        doc = inspect.cleandoc(f.__doc__ or '')
        if doc and not doc.startswith(f'{f.__name__}('):
            yield doc
        if sig is not None and not isinstance(self.sym, property):
            yield table(f, sig)

    def _repr_markdown_(self):
        parts = list(self.one())
        if inspect.isclass(self.sym):
            for k, f in members(self.sym):
                name = f'{self.name}.{k}'
                if name not in explained:
                    static = isinstance(inspect.getattr_static(self.sym, k), staticmethod)
                    parts += Entry(f, name, self.level + 1, static).one()
        return '\n\n'.join(p for p in parts if p)

    def __repr__(self):
        return self.name


class Shown:
    "A default that prints as its text."

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text


def wrapped(name, text, width=88):
    "A call on one line, or one line for as many arguments as fit."
    if len(name + text) <= width:
        return name + text
    lines, args = ['    '], re.findall(r'(?:[^,(\[{]|\([^)]*\)|\[[^\]]*\]|\{[^}]*\})+', text[1:-1])
    for i, a in enumerate(args):
        a = a.strip() + (',' if i < len(args) - 1 else '')
        if len(lines[-1]) + len(a) > width:
            lines.append('    ')
        lines[-1] += a if lines[-1].isspace() else ' ' + a
    return '\n'.join([f'{name}(', *lines, ')'])


def show_doc(sym, renderer=None, name=None, title_level=3):
    "The entry of a name."
    return Entry(sym, name, title_level)


class add_show_docs(nbdev.processors.add_show_docs):
    "Remember what a page explains itself, and which module it exports."

    def begin(self):
        global here
        super().begin()
        text = '\n'.join(c.source for c in self.nb.cells if c.cell_type == 'code')
        for c in list(self.nb.cells):
            if getattr(c, 'has_sd', False) and re.match(r'show_doc\(_', c.source):
                self.nb.cells.remove(c)     # `__getattr__` of a door
            elif not getattr(c, 'has_sd', False):
                explained.update(re.findall(r'^show_doc\(([\w.]+)', c.source, flags=re.M))
                c.source = re.sub(r'^show_doc\(([\w.]+)\)', r"show_doc(\1, name='\1')", c.source, flags=re.M)     # not its base's
        found = re.search(r'^#\| *default_exp (\S+)', text, flags=re.M)
        here = f'{LIB}.{found[1]}'.removesuffix('.__init__') if found else ''
        taken = {n.lower() for n in (*explained, *(public(importlib.import_module(here)) if here else ()))}
        renamed = lambda m: m[0] + (f' {{#about-{slug(m[2])}}}' if slug(m[2]) in taken else '')
        for c in self.nb.cells:
            if c.cell_type == 'markdown':       # a heading in prose leaves its anchor to the entry of the same name
                c.source = re.sub(r'^(#+ +)([`\w ]+)$', renamed, c.source, flags=re.M)


def slug(heading):
    return heading.replace('`', '').strip().lower().replace(' ', '-')


@lru_cache(None)
def glossary():
    "Word → meaning, from the table on the home page."
    home = read_nb(CFG.nbs_path / CFG.readme_nb)
    rows = re.findall(r'^\| \[(.+?)\]\{#word-[\w-]+\} \| (.+?) \|$', '\n'.join(c.source for c in home.cells), flags=re.M)
    return dict(rows)


class link_words(Processor):
    "Link the first use of each word of the glossary, in running text, to its meaning."

    def begin(self):
        self.left = {} if any('{#word-' in c.source for c in self.nb.cells) else dict(glossary())

    def cell(self, cell):
        if cell.cell_type == 'markdown':
            cell.source = self.text(cell.source)
        for o in cell.get('outputs', []) if re.search(r'^show_doc\(', cell.source, flags=re.M) else []:
            if entry := o.get('data', {}).get('text/markdown'):
                o['data']['text/markdown'] = self.text(entry if isinstance(entry, str) else ''.join(entry)).splitlines(True)

    def text(self, source):
        lines, fenced = source.split('\n'), False
        for i, line in enumerate(lines):
            fenced ^= line.startswith('```')
            if fenced or line.startswith(('#', '|', ':::', '    ', '> ', '```')) or re.match(r'<|\$\$', line):
                continue
            lines[i] = self.linked(line)
        return '\n'.join(lines)

    def linked(self, line):
        parts = re.split(r'(`[^`]*`|!?\[[^]]*\]\([^)]*\)(?:\{[^}]*\})?|\$[^$]*\$|<[^>]*>|\{[^}]*\})', line)
        for word in list(self.left):
            for i in range(0, len(parts), 2):
                if m := re.search(rf'(?<![\w-]){word}s?(?![\w-])', parts[i], flags=re.I):
                    meaning = self.left.pop(word).replace('"', "'")
                    link = f'[{m[0]}]({CFG.readme_nb}#word-{word.replace(" ", "-")}){{.term title="{meaning}"}}'
                    parts[i:i + 1] = [parts[i][:m.start()], link, parts[i][m.end():]]
                    break
        return ''.join(parts)


LONG = 25      # lines of code that are shown at once


def fold_long(cell):
    "Close a long cell of code until a reader asks for it."
    if cell.cell_type != 'code' or 'code-fold' in cell.source:
        return
    count = sum(not line.startswith('#|') for line in cell.source.splitlines())
    if count > LONG:
        cell.source = f'#| code-fold: true\n#| code-summary: "Code, {count} lines"\n{cell.source}'


class Filter(FilterDefaults):
    "nbdev's filter, with this reference."

    def base_procs(self):
        complete()
        nbdev.showdoc.show_doc = show_doc
        return [*(add_show_docs if p.__name__ == 'add_show_docs' else p for p in super().base_procs()), link_words, fold_long]
