"""Plant a defect for each check in a copy of the project, and see that the check finds it; each check also passes without it.

    planted.py      exit 1 if a check misses its defect, or fails without one
"""
import base64
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from widths import browser

ROOT = Path(__file__).resolve().parents[1]
PAGE = 'nbs/00_core.errors.ipynb'      # a page that runs in a second
FRESH, DOCS, SITE = ['.ci/fresh.py', PAGE], ['.ci/docs_check.py'], ['.ci/docs.py', 'site', '_planted_site']
README = ['.ci/docs.py', 'readme', '--check']
WIDE = ['-c', "import subprocess, sys; [subprocess.run([sys.executable, *c.split()], check=True) for c in "
              "('.ci/docs.py site _planted_site', '.ci/widths.py _planted_site')]"]
PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='


def cells(path):
    return json.loads(path.read_text(encoding='utf-8'))


def change(path, edit):
    "Change a notebook's list of cells."
    nb = cells(path)
    edit(nb['cells'])
    path.write_text(json.dumps(nb, indent=1, ensure_ascii=False, sort_keys=True) + '\n', encoding='utf-8')


def code(source, *printed, id='deadbeef'):
    outputs = [{'name': 'stdout', 'output_type': 'stream', 'text': list(printed)}] if printed else []
    return {'cell_type': 'code', 'execution_count': None, 'id': id, 'metadata': {}, 'outputs': outputs, 'source': source.splitlines(True)}


def prose(source):
    return {'cell_type': 'markdown', 'id': 'deadbeef', 'metadata': {}, 'source': source.splitlines(True)}


def add(cell):
    return lambda top: change(top / PAGE, lambda c: c.insert(-1, cell))


def prose_changed(top):
    "A figure in a saved output is changed along with the prose that quotes it."
    def edit(c):
        c.insert(-1, prose('Now 12 of 12 are beaten.'))
        c.insert(-1, code("print('11 of 12 are beaten')", '12 of 12 are beaten\n'))
        c[-2]['id'] = 'deadbee2'
    change(top / PAGE, edit)


def unlisted(top):
    for p in (top / '_quarto.yml', top / 'nbs' / '_quarto.yml'):
        p.write_text(re.sub(r' +- (nbs/)?00_core\.errors\.ipynb\n', '', p.read_text(encoding='utf-8')), encoding='utf-8')


def replaced(path, old, new):
    "The same file with one text in place of another."
    def plant(top):
        text = (top / path).read_text(encoding='utf-8')
        assert old in text, (path, old)
        (top / path).write_text(text.replace(old, new, 1), encoding='utf-8')
    return plant


def picture(*options, png=PIXEL):
    "A cell with a saved picture."
    cell = code('\n'.join(['#| label: fig-planted', *(f'#| {o}: "Planted"' for o in options), 'x = 1']))
    cell['outputs'] = [{'output_type': 'display_data', 'metadata': {}, 'data': {'image/png': png, 'text/plain': ['<Figure>']}}]
    return cell


def png(width):
    "A white picture of one line."
    chunk = lambda kind, data: struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    head = struct.pack('>IIBBBBB', width, 1, 8, 0, 0, 0, 0)
    parts = chunk(b'IHDR', head) + chunk(b'IDAT', zlib.compress(bytes([0]) + bytes([255]) * width)) + chunk(b'IEND', b'')
    return base64.b64encode(b'\x89PNG\r\n\x1a\n' + parts).decode()


def wide(top, rule=None):
    "A figure, a table and a formula that are wider than a page, and `styles.css` without the rule that keeps one of them within it."
    add(picture('fig-cap', 'fig-alt', png=png(3000)))(top)
    add(prose('| ' + 'long_' * 60 + ' | x |\n|---|---|\n| 1 | 2 |') | {'id': 'deadbee2'})(top)
    add(prose('$$' + '+'.join(f'x_{{{i}}}' for i in range(200)) + '$$') | {'id': 'deadbee3'})(top)
    if rule:
        replaced('nbs/styles.css', rule, '')(top)


# name → how it is planted, the check, and what the check must print
DEFECTS = {
    'a stale output of a cell that prints nothing now': (add(code('x = 1', '12 of 12 peers beaten\n')), FRESH, 'deadbeef is stale'),
    'a stale output of a cell that prints something else': (add(code('print("11 of 12")', '12 of 12\n')), FRESH, 'deadbeef is stale'),
    'a stale output beside changed prose': (prose_changed, FRESH, 'deadbee2 is stale'),
    'an output that is missing': (add(code('print(1)')), FRESH, 'deadbeef is stale'),
    'a cell that fails': (add(code('assert 1 == 2')), FRESH, 'deadbeef raised AssertionError'),
    'an unknown directive': (add(code('#| exprot\nx = 1')), DOCS, 'unknown directive exprot'),
    'a directive below code': (add(code('x = 1\n#| export')), DOCS, 'stands below code'),
    'imports beside other code': (add(code('import os\nx = os.sep')), DOCS, 'imports must stand alone'),
    'an import against the order': (add(code('from tft_nb.train import Trainer')), DOCS, 'which comes later'),
    'a dead link': (add(prose('[gone](77_gone.ipynb)')), SITE, 'link to 77_gone.ipynb: no such file'),
    'a dead cross reference': (add(prose('See @fig-gone.')), SITE, '@fig-gone has no target'),
    'a name that names nothing': (add(prose('See `tft_nb.core.errors.InputEror`.')), SITE, 'names nothing'),
    'an unknown callout': (add(prose('::: {.callout-hint}\nx\n:::')), SITE, 'unknown callout'),
    'a show_doc of nothing': (add(code('show_doc(InputEror)')), SITE, 'InputEror'),
    'a figure without a caption': (add(picture('fig-alt')), SITE, 'has no fig-cap'),
    'a figure without an alternative text': (add(picture('fig-cap')), SITE, 'has no fig-alt'),
    'an image without an alternative text': (add(prose('![](images/card.png)')), SITE, 'has no alternative text'),
    'a dead anchor': (add(prose('[gone](00_core.errors.ipynb#gone)')), SITE, 'no such id'),
    'a public class without an entry': (
        replaced(PAGE, '"#| exports\\n",\n    "class InputError', '"#| exports\\n",\n    "#| hide\\n",\n    "class InputError'),
        SITE, 'has no entry'),
    'a word of the glossary before its link': (add(prose('<p>It is deaf.</p>')), SITE, "the first use of 'deaf' is no link"),
    'a symptom that no search finds': (replaced('nbs/story_symptoms.ipynb', 'vanishing gradients', 'gradients'), DOCS, 'a search for'),
    'a figure wider than its page': (lambda top: wide(top, 'main img { max-width: 100%; height: auto; }'), WIDE, 'too wide'),
    'a table wider than its page': (lambda top: wide(top, 'main table, '), WIDE, 'too wide'),
    'a formula wider than its page': (lambda top: wide(top, 'overflow-x: auto; overflow-y: hidden;'), WIDE, 'too wide'),
    'a word of the glossary without an anchor': (replaced('nbs/index.ipynb', '[deaf]{#word-deaf}', 'deaf'), DOCS, 'glossary: '),
    'a README that fails as pasted': (replaced('nbs/index.ipynb', '    "import torch\\n",\n', ''), README, 'fails as pasted'),
    'a page missing from the sidebar': (unlisted, SITE, 'the sidebar must list every notebook'),
}


def copy(top):
    "A copy of all that git tracks."
    names = subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split('\0')
    for n in filter(None, names):
        if not (ROOT / n).exists(): continue
        (top / n).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / n, top / n)


def run(command, top):
    r = subprocess.run([sys.executable, *command], cwd=top, capture_output=True, text=True, env={**os.environ, 'PYTHONPATH': str(top)})
    return r.returncode, r.stdout + r.stderr


def small(top):
    "A site of two pages: enough for the defects, in seconds."
    for p in (top / 'nbs').glob('*.ipynb'):
        if p.name not in ('index.ipynb', Path(PAGE).name): p.unlink()
    text = (top / '_quarto.yml').read_text(encoding='utf-8')
    head = text[:text.index('    contents:\n')]
    text = head + f'    contents:\n      - text: Home\n        href: nbs/index.ipynb\n      - {PAGE}\n'
    (top / '_quarto.yml').write_text(text, encoding='utf-8')
    (top / 'nbs' / '_quarto.yml').write_text(text.replace('nbs/', ''), encoding='utf-8')
    words = '| word | meaning |\n|---|---|\n| [deaf]{#word-deaf} | does not react |'
    change(top / 'nbs' / 'index.ipynb', lambda c: c.__setitem__(slice(None), [prose('# tft_nb\n\n> One line'), prose(words) | {'id': 'deadbee4'}]))


def main():
    missed = 0
    with tempfile.TemporaryDirectory() as d:
        clean = Path(d) / 'clean'
        copy(clean)
        for command in (FRESH, DOCS, README):
            rc, said = run(command, clean)
            missed += bool(rc)
            print(f'control of {command[0]}: {"passes" if rc == 0 else "FAILS: " + said[-300:]}', flush=True)
        site = Path(d) / 'site'
        shutil.copytree(clean, site)
        small(site)
        rc, said = run(SITE, site)
        missed += bool(rc)
        print(f'control of {SITE[0]}: {"passes" if rc == 0 else "FAILS: " + said[-300:]}', flush=True)
        if browser():
            shutil.copytree(site, Path(d) / 'wide')
            wide(Path(d) / 'wide')
            rc, said = run(WIDE, Path(d) / 'wide')
            missed += bool(rc)
            print(f'control of .ci/widths.py: {"passes" if rc == 0 else "FAILS: " + said[-300:]}', flush=True)
        todo = [name for name, (_, command, _) in DEFECTS.items() if command is not WIDE or browser()]
        for name in DEFECTS.keys() - set(todo): print(f'skipped, no Chromium is installed: {name}')

        def found(name):
            plant, command, want = DEFECTS[name]
            top = Path(d) / name.replace(' ', '_')
            shutil.copytree(site if command in (SITE, WIDE) else clean, top)
            plant(top)
            rc, said = run(command, top)
            shutil.rmtree(top)
            ok = rc != 0 and want in said
            print(f'{"found" if ok else "MISSED"}: {name}' + ('' if ok else f' (exit {rc}, no {want!r} in: {said[-300:]})'), flush=True)
            return ok

        with ThreadPoolExecutor(os.cpu_count()) as pool: missed += sum(not ok for ok in pool.map(found, todo))
    print(f'{len(DEFECTS)} planted defects, {missed} faults')
    sys.exit(bool(missed))


if __name__ == '__main__':
    main()
