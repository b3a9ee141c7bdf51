"""Run all that needs a GPU, in order of importance, and write what was found after each part; on a CPU the same at toy sizes.

    gpu.py [--out FILE] [--minutes M]      FILE (gpu.json): one entry a part; exit 1 if a part failed
"""
import argparse
import copy
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tft_nb.core import environment, pick_device, write_whole
from tft_nb.data import Panel, PanelSpec
from tft_nb.guard import Guard
from tft_nb.loss import quantile_loss
from tft_nb.model import TFT, SharedWindows
from tft_nb.normalize import Normalizer

ROOT = Path(__file__).resolve().parents[1]

DEVICE = pick_device('auto')
GPU = DEVICE.type == 'cuda'
ENV = {**os.environ, 'PYTHONPATH': str(ROOT)}
WINDOW = dict(encoder=168, horizon=24) if GPU else dict(encoder=12, horizon=3)
HIDDEN = 128 if GPU else 8


def wait():
    if GPU: torch.cuda.synchronize()


def seconds(f, n=20 if GPU else 2):
    "Seconds of a call, after one that is not counted."
    f()
    wait()
    start = time.perf_counter()
    for _ in range(n): f()
    wait()
    return (time.perf_counter() - start) / n


def panel(series=64 if GPU else 4, steps=2_000 if GPU else 120):
    "Made-up series with the electricity layout of the paper: four variables."
    r, t = np.random.default_rng(0), np.arange(steps)
    frames = [pd.DataFrame({'id': f's{i}', 't': t, 'y': np.sin(t / 4 + i) + 0.1 * r.normal(size=steps), 'since': t / steps,
                            'hour': [f'h{k}' for k in t % 24], 'day': [f'd{k}' for k in t // 24 % 7]}) for i in range(series)]
    return Panel.from_frame(pd.concat(frames), PanelSpec('id', 't', 'y', known=('since', 'hour', 'day'), static=('id',)))


def network(p, **changes):
    torch.manual_seed(0)
    return TFT.from_panel(p, hidden=HIDDEN, dropout=0.0, unknown_rate=0.0, **WINDOW, **changes)


def batch_of(source, rows):
    return source.batch(torch.arange(rows, device=DEVICE) * max(len(source) // rows, 1) % len(source))


def cells():
    "Every cell that is marked for a GPU."
    marked = [p for p in sorted((ROOT / 'nbs').glob('*.ipynb')) if '#| cuda' in p.read_text(encoding='utf-8')]
    if not GPU: return {'notebooks with such cells': [p.name for p in marked], 'run': False}
    found = {}
    for p in marked:
        command = [sys.executable, str(ROOT / '.ci/fresh.py'), '--write', 'cuda', str(p)]
        r = subprocess.run(command, capture_output=True, text=True, env=ENV, timeout=150)
        found[p.name] = {'exit': r.returncode, 'said': r.stdout[-400:]}
        if r.returncode: raise RuntimeError(f'{p.name}: {r.stdout[-800:]} {r.stderr[-800:]}')
    return found


def equality():
    "Normalizer and network: the device against a CPU in float64."
    r = np.random.default_rng(1)
    x = pd.DataFrame({'heavy': r.standard_t(2.5, 3_000), 'price': 1e6 + 0.05 * r.normal(size=3_000),
                      'rare': np.where(r.random(3_000) < 0.02, 0.3, 0.0)})
    found = {}
    for method in ('auto', 'quantile', 'yeo-johnson', 'asinh'):
        norm = Normalizer(method).fit(x)
        module = norm.module()
        values = torch.tensor(x.to_numpy())
        there = copy.deepcopy(module).to(DEVICE)(values.to(DEVICE)).double().cpu()
        found[f'normalizer, {method}'] = float((there - torch.tensor(norm.transform(x).to_numpy())).abs().max())
    p = panel()
    w = p.windows(**WINDOW)
    plain, b = network(p).double(), w.batch(torch.arange(32))
    b = {k: v.double() if v.is_floating_point() else v for k, v in b.items()}
    other, c = copy.deepcopy(plain).float().to(DEVICE), {k: (v.float() if v.is_floating_point() else v).to(DEVICE) for k, v in b.items()}
    outs, grads = [], []
    for m, batch in ((plain, b), (other, c)):
        out = m(batch)
        quantile_loss(out, batch['target']).backward()
        outs.append(out.detach().double().cpu())
        grads.append(torch.cat([q.grad.double().cpu().flatten() for q in m.parameters()]))
    found['network, output'] = float((outs[0] - outs[1]).abs().max())
    found['network, gradient'] = float((grads[0] - grads[1]).abs().max() / grads[0].abs().max())
    assert max(found.values()) < 2e-3, found
    return found


def guarded():
    "A guarded step without a host sync, as a CUDA graph, in bfloat16."
    p = panel()
    w = p.windows(**WINDOW).to(DEVICE)
    model = network(p).to(DEVICE)
    opt = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True, **({'capturable': True} if GPU else {}))
    guard, b, losses = Guard(model, opt, clip=1.0, every=10_000), batch_of(w, 64), []

    def step():
        with torch.autocast(DEVICE.type, torch.bfloat16): out = model(b)
        loss = quantile_loss(out.float(), b['target'])
        guard.step(loss)
        return loss.detach()
    for _ in range(5): losses.append(float(step()))
    if GPU: torch.cuda.set_sync_debug_mode('error')
    try:
        for _ in range(5): step()
    finally:
        if GPU: torch.cuda.set_sync_debug_mode('default')
    losses.append(float(step()))
    assert np.isfinite(losses).all() and losses[-1] < losses[0], losses
    return {'losses': losses, 'synchronizations': 'none, errors otherwise' if GPU else 'not watched on a CPU'}


def killed():
    "A run that is killed and taken up ends where an undisturbed one ends, to the last bit."
    with tempfile.TemporaryDirectory() as d:
        top = Path(d)
        options = ['--epochs', '2', '--hidden', '8', '--encoder', '12', '--horizon', '2', '--device', DEVICE.type, '--batch-size', '512']
        command = [sys.executable, '-m', 'tft_nb.cli', 'train', *options, '--out']

        def run(*args):
            r = subprocess.run(list(map(str, args)), capture_output=True, text=True, env=ENV, timeout=200)
            if r.returncode: raise RuntimeError(r.stdout[-500:] + r.stderr[-500:])
        run(*command, top / 'whole')
        job = subprocess.Popen([*map(str, command), str(top / 'killed')], stdout=subprocess.DEVNULL, env=ENV)
        lines, until = top / 'killed' / 'epochs.jsonl', time.time() + 150
        while time.time() < until and job.poll() is None and not (lines.exists() and lines.read_text().count('\n')): time.sleep(0.02)
        job.send_signal(signal.SIGKILL)
        job.wait()
        run(sys.executable, '-m', 'tft_nb.cli', 'train', '--resume', top / 'killed')
        scores = [(top / n / 'scores.csv').read_text() for n in ('whole', 'killed')]
    assert scores[0] == scores[1]
    return {'bit-identical scores': True}


def speed():
    "Samples a second of the whole training step, at several batches, and shares of what the device reaches."
    p = panel()
    size = 8192 if GPU else 256
    big, wide = torch.randn(size, size, device=DEVICE, dtype=torch.bfloat16), torch.empty(2**29 if GPU else 2**20, device=DEVICE)
    product, copied = seconds(lambda: torch.matmul(big, big)), seconds(lambda: wide.mul_(1.0))
    found = {'matrix product, bfloat16, FLOP/s': 2 * size**3 / product, 'copy, bytes/s': 2 * wide.nbytes / copied}
    sources = {'independent windows': p.windows(**WINDOW).to(DEVICE), 'groups of 8': SharedWindows(p, **WINDOW, size=8).to(DEVICE),
               'groups of 8, encoder shared': SharedWindows(p, **WINDOW, size=8, fork=True).to(DEVICE)}
    for rows in ((1024, 64, 256, 4096, 8192) if GPU else (16,)):
        for name, source in sources.items():
            each = getattr(source, 'size', 1)
            model, b = network(p).to(DEVICE).train(), batch_of(source, max(rows // each, 1))
            opt = torch.optim.AdamW(model.parameters(), fused=True, **({'capturable': True} if GPU else {}))

            def step(model=model, b=b, opt=opt):
                with torch.autocast(DEVICE.type, torch.bfloat16): out = model(b)
                quantile_loss(out.float(), b['target']).backward()
                opt.step()
                opt.zero_grad()
            try:
                found[f'{name}, {rows} windows, samples/s'] = rows / seconds(step)
                if GPU: found[f'{name}, {rows} windows, CUDA graph, samples/s'] = rows / seconds(captured(step))
            except RuntimeError as e:      # out of memory, or a capture that fails: the other sizes still count
                found[f'{name}, {rows} windows'] = str(e)[:200]
    return found


def captured(step):
    "Replay of a step as a CUDA graph; a step that asks the host for anything can't be captured."
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3): step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph): step()
    return graph.replay


def peer():
    "pytorch-forecasting's network in the same run, where it is installed."
    try: from pytorch_forecasting.models.temporal_fusion_transformer import TemporalFusionTransformer
    except ImportError: return {'pytorch-forecasting': 'not installed'}
    rows, span = (1024 if GPU else 16), WINDOW['encoder'] + WINDOW['horizon']
    model = TemporalFusionTransformer(hidden_size=HIDDEN, hidden_continuous_size=HIDDEN, attention_head_size=4, dropout=0.1, output_size=3,
                                      x_reals=['since', 'y'], time_varying_reals_encoder=['since', 'y'], time_varying_reals_decoder=['since'],
                                      x_categoricals=['id', 'hour'], static_categoricals=['id'], time_varying_categoricals_encoder=['hour'],
                                      time_varying_categoricals_decoder=['hour'],
                                      embedding_sizes={'id': (370, HIDDEN), 'hour': (24, HIDDEN)}).to(DEVICE)
    cat = torch.randint(0, 24, (rows, span, 2), device=DEVICE)
    real, e = torch.randn(rows, span, 2, device=DEVICE), WINDOW['encoder']
    b = {'encoder_cat': cat[:, :e], 'encoder_cont': real[:, :e], 'decoder_cat': cat[:, e:], 'decoder_cont': real[:, e:],
         'encoder_lengths': torch.full((rows,), e, device=DEVICE), 'decoder_lengths': torch.full((rows,), span - e, device=DEVICE),
         'target_scale': torch.ones(rows, 2, device=DEVICE)}
    opt, y = torch.optim.AdamW(model.parameters()), torch.randn(rows, span - e, device=DEVICE)

    def step():
        quantile_loss(model(b)['prediction'], y).backward()
        opt.step()
        opt.zero_grad()
    return {'pytorch-forecasting, samples/s': rows / seconds(step)}


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('--out', default='gpu.json')
    a.add_argument('--minutes', type=float, default=8.0)
    args, began, bad = a.parse_args(), time.time(), []
    found = {'command': 'python .ci/gpu.py', 'environment': environment(DEVICE), 'date': time.strftime('%Y-%m-%d')}
    for part in (equality, guarded, killed, speed, cells, peer):
        start = time.time()
        if start - began > 60 * args.minutes: found[part.__name__] = {'left out': 'no time left'}
        else:
            try: found[part.__name__] = part()
            except Exception as e:
                found[part.__name__] = {'failed': f'{type(e).__name__}: {e}'[:2_000]}
                bad.append(part.__name__)
        print(f'{part.__name__}: {time.time() - start:.0f} s, {json.dumps(found[part.__name__])[:300]}', flush=True)
        write_whole(args.out, json.dumps(found, indent=1).encode())
    print(f'{len(bad)} parts failed {bad}, {time.time() - began:.0f} s on {DEVICE}')
    sys.exit(bool(bad))


if __name__ == '__main__':
    main()
