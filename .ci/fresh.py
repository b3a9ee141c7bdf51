"""Execute notebooks, each in its own process, and compare their outputs with the saved ones (`--write` saves them instead).

    fresh.py [--write] [--counts FILE] [FLAG ...] [NOTEBOOK ...]      FLAG: also run cells with this flag (`slow`, `cuda`)
"""
import argparse
import multiprocessing
import os
import re
import sys
import time
from itertools import islice, zip_longest
from pathlib import Path

from nbdev.config import get_config


BAR = re.compile(r'[^\r\n]*\d+%\|[^\r\n]*[\r\n]*')      # a progress bar: whether it shows hangs on the clock


def key(o):
    "What must not change in an output: its text, and that a picture is there."
    text = lambda v: ''.join(v) if isinstance(v, (list, tuple)) else str(v)
    data = o.get('data') or {'text': o.get('text', '')}
    place = r' at 0x[0-9a-f]+|/[^\s:]*/(?=site-packages/|tft_nb/)|(?<=\.py):\d+'      # of an object, a file, a line
    stable = lambda s: re.sub(r'T_[0-9a-f]{5}(?![0-9a-f])', 'T_', re.sub(place, '', s))
    shown = [(o.get('name'), k, '<image>' if k.startswith('image') else stable(text(v))) for k, v in sorted(data.items())]
    return [(name, k, BAR.sub('', s).strip() if name == 'stderr' else s) for name, k, s in shown]


def told(c):
    "The outputs of a cell that say more than how far something is."
    return [o for o in c.get('outputs', []) if any(text for _, _, text in key(o))]


NUMBER = re.compile(r'(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?')


def same(was, now):
    """The same outputs: equal text, and numbers equal to 10 % or to one unit of their last printed digit (whole numbers: exactly,
    unless an exponent or a point is printed), since another processor rounds a training otherwise."""
    if isinstance(was, str) and isinstance(now, str):
        words = lambda s: re.sub(r'\s+|--+', ' ', NUMBER.sub('#', s))
        return words(was) == words(now) and all(map(close, NUMBER.findall(was), NUMBER.findall(now)))
    if isinstance(was, (list, tuple)) and isinstance(now, (list, tuple)):
        return len(was) == len(now) and all(map(same, was, now))
    return was == now


def close(a, b):
    "Whether two printed numbers agree."
    if a == b or not re.search('[.e]', a + b):
        return a == b
    x, y = float(a), float(b)
    mantissa, _, exponent = a.partition('e')
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition('.')[2]))
    return abs(x - y) <= max(1.01 * unit, 0.1 * max(abs(x), abs(y)))


def differences(was, now):
    "The lines by which two lists of outputs differ, the first twenty."
    lines = lambda outputs: [line for o in outputs for name, kind, text in o for line in (f'{name} {kind}', *text.splitlines())]
    a, b = lines(was), lines(now)
    pairs = ((x, y) for x, y in zip_longest(a, b, fillvalue='(no line)') if not same(x, y))
    return [f'  saved {x[:200]}\n  now   {y[:200]}' for x, y in islice(pairs, 20)]


def run(path, write, skip):
    "Execute one notebook: what went wrong, and the numbers of cells passed, failed and skipped."
    from execnb.nbio import read_nb, write_nb
    from execnb.shell import CaptureShell
    from nbdev.clean import clean_nb
    from nbdev.process import extract_directives
    start = time.time()
    sys.path.insert(0, str(get_config().config_path))
    os.environ['IN_TEST'] = '1'
    os.chdir(path.parent)
    nb = read_nb(path)
    was = [[key(o) for o in told(c)] for c in nb.cells]
    cells, skipped, bad = [], [], []
    for i, c in enumerate(nb.cells):
        if c.cell_type != 'code' or not c.source.strip() or 'nbdev_export(' in c.source:
            continue
        d = extract_directives(c, remove=False)
        flags = skip & d.keys()
        if flags and not c.get('outputs'):
            bad.append(f'cell {c.id} is {" ".join(sorted(flags))} and has no saved output: run it with --write {" ".join(sorted(flags))}')
        (skipped if flags or d.get('eval:', [''])[0].lower() == 'false' else cells).append(i)
    shell, passed = CaptureShell(path), 0
    for i in cells:
        c = nb.cells[i]
        c.outputs = []      # the shell sets them only where a cell prints something
        shell.cell(c)
        if shell.exc:
            print(shell.prettytb(fname=path), file=sys.stderr)
            bad.append(f'cell {c.id} raised {type(shell.exc).__name__}')
            break
        if c.source.startswith('show_doc('):    # built with the docs: its source links hold line numbers
            c.outputs = []
        c.outputs = told(c)
        now = [key(o) for o in c.outputs]
        passed += write or same(was[i], now)
        if not write and not same(was[i], now):
            bad.append(f'cell {c.id} is stale:\n' + '\n'.join(differences(was[i], now)))
    if write and not bad:
        clean_nb(nb)
        write_nb(nb, path)
    return path.name, bad, passed, len(bad), len(skipped) + len(cells) - passed - len(bad), time.time() - start


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--write', action='store_true')
    p.add_argument('--counts')
    p.add_argument('what', nargs='*')
    a = p.parse_args()
    cfg = get_config()
    nbs = [Path(w).resolve() for w in a.what if w.endswith('.ipynb')] or sorted(cfg.nbs_path.resolve().glob('*.ipynb'))
    skip = set(cfg.tst_flags.split()) - set(a.what)
    total, wrong = [0, 0, 0], []
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['execnb.shell', 'nbdev.process', 'pandas', 'seaborn', 'sklearn.base', 'torch'])      # once for all notebooks
    with context.Pool(min(len(nbs), os.cpu_count() or 1), maxtasksperchild=1) as pool:
        for job in [pool.apply_async(run, (n, a.write, skip)) for n in nbs]:
            name, bad, *counts, seconds = job.get(timeout=1800)
            total = [x + y for x, y in zip(total, counts, strict=True)]
            print(f'{name}: {counts[0]} cells passed, {counts[1]} failed, {counts[2]} skipped, {seconds:.0f} s', flush=True)
            wrong += [f'{name}: {b}' for b in bad]
            print(*wrong[len(wrong) - len(bad):], sep='\n', end='\n' * bool(bad))
    print('all: {} cells passed, {} failed, {} skipped'.format(*total))
    if a.counts:
        Path(a.counts).write_text('\n'.join([' '.join(map(str, total)), *wrong]) + '\n')
    sys.exit(bool(total[1] or not total[0]))


if __name__ == '__main__':
    main()
