"""Our entry for the benchmark against other TFTs: `run_all.py --ours bench_peer:build`, from this folder.

BENCH_GROUP windows a horizon apart make a group (8; 1: independent windows), BENCH_FORK=1 lets them share the encoder too,
BENCH_PRECISION is that of the products (float32 or bfloat16).
"""
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tft_nb.core import keep_memory
from tft_nb.data import Panel, PanelSpec
from tft_nb.loss import quantile_loss
from tft_nb.model import TFT, SharedWindows
from tft_nb.train import TrainConfig, Trainer

SPEC = PanelSpec(series='series', time='time', target='y', known=('k0', 'k1', 'k2', 'kcat'), observed=('p0', 'p1', 'p2'), static=('scat',))
GROUP, FORK = int(os.environ.get('BENCH_GROUP', '8')), os.environ.get('BENCH_FORK') == '1'
PRECISION = os.environ.get('BENCH_PRECISION', 'float32')


def table(panel):
    "The synthetic panel as the long table a user has."
    s, t = panel.y.shape
    df = pd.DataFrame({'series': np.repeat(np.arange(s), t), 'time': np.tile(np.arange(t), s), 'y': panel.y.ravel(),
                       'scat': np.repeat(panel.static_cat, t), 'kcat': panel.known_cat.ravel()})
    df = df.astype({'series': 'category', 'scat': 'category', 'kcat': 'category'})
    for i in range(3): df[f'k{i}'], df[f'p{i}'] = panel.known[..., i].ravel(), panel.past[..., i].ravel()
    return df


class Ticking:
    "Windows that tick when the next batch is asked for, that is after each step."

    def __init__(self, windows, tick): self.windows, self.tick, self.begun = windows, tick, False
    def __len__(self): return len(self.windows)

    def batch(self, index):
        if self.begun and len(index) == self.per_batch: self.tick()
        self.begun = len(index) == self.per_batch
        return self.windows.batch(index)


def build(panel, spec):
    "The network, the windows, one fixed step and the training loop."
    keep_memory()
    p = Panel.from_frame(table(panel), SPEC)
    windows = p.windows(spec.encoder, spec.horizon) if GROUP == 1 else SharedWindows(p, spec.encoder, spec.horizon, size=GROUP, fork=FORK)
    rows = spec.batch // GROUP

    def network():
        return TFT.from_panel(p, encoder=spec.encoder, horizon=spec.horizon, hidden=spec.hidden, heads=spec.heads,
                              dropout=spec.dropout, quantiles=tuple(spec.quantiles))

    model = network().to(spec.device).train()
    held = windows.to(spec.device).batch(torch.arange(rows) * (len(windows) // rows))
    opt = torch.optim.AdamW(model.parameters(), lr=spec.lr, fused=True)
    cast = torch.autocast(torch.device(spec.device).type, getattr(torch, PRECISION), enabled=PRECISION != 'float32')

    def forecast():
        with cast: return model(held)

    def fixed_step():
        loss = quantile_loss(forecast().float(), held['target'], spec.quantiles)
        loss.backward()
        opt.step(); opt.zero_grad()
        return loss.item()

    def run_loop(n, tick):
        source = Ticking(windows, tick); source.per_batch = rows
        config = TrainConfig(epochs=1, batch_size=rows, steps_per_epoch=n + 1, lr=spec.lr, seed=spec.seed, device=spec.device, precision=PRECISION)
        Trainer(network(), config, show=False).fit(source)

    peer = type('Ours', (), {})()
    peer.n_params, c = sum(q.numel() for q in model.parameters()), model.config
    peer.n_vars = len(c.past_names), len(c.future_names), len(c.static_names)
    how = 'independent windows' if GROUP == 1 else f'groups of {GROUP} overlapping windows' + (', encoder shared' if FORK else '')
    peer.note = f'full network; {how}; {PRECISION}'
    peer.fixed_step, peer.run_loop, peer.model, peer.forecast = fixed_step, run_loop, model, forecast
    return peer
