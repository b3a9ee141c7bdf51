"Our entry for the benchmark against other TFTs: `run_all.py --ours bench_peer:build`, from this folder."
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tft_nb.data import Panel, PanelSpec
from tft_nb.loss import quantile_loss
from tft_nb.model import TFT, SharedWindows
from tft_nb.train import TrainConfig, Trainer

SPEC = PanelSpec(series='series', time='time', target='y', known=('k0', 'k1', 'k2', 'kcat'), observed=('p0', 'p1', 'p2'), static=('scat',))
GROUP = int(os.environ.get('BENCH_GROUP', '8'))  # overlapping windows a horizon apart; 1: independent windows
FORK = os.environ.get('BENCH_FORK') == '1'       # the windows of a group share the encoder too


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
    p = Panel.from_frame(table(panel), SPEC)
    windows = p.windows(spec.encoder, spec.horizon) if GROUP == 1 else SharedWindows(p, spec.encoder, spec.horizon, size=GROUP, fork=FORK)
    rows = spec.batch // GROUP

    def network():
        return TFT.from_panel(p, encoder=spec.encoder, horizon=spec.horizon, hidden=spec.hidden, heads=spec.heads,
                              dropout=spec.dropout, quantiles=tuple(spec.quantiles))

    model = network().to(spec.device).train()
    held = windows.to(spec.device).batch(torch.arange(rows) * (len(windows) // rows))
    opt = torch.optim.AdamW(model.parameters(), lr=spec.lr, fused=True)

    def fixed_step():
        loss = quantile_loss(model(held), held['target'], spec.quantiles)
        loss.backward()
        opt.step(); opt.zero_grad()
        return loss.item()

    def run_loop(n, tick):
        source = Ticking(windows, tick); source.per_batch = rows
        config = TrainConfig(epochs=1, batch_size=rows, steps_per_epoch=n + 1, lr=spec.lr, seed=spec.seed, device=spec.device)
        Trainer(network(), config, show=False).fit(source)

    peer = type('Ours', (), {})()
    peer.n_params, c = sum(q.numel() for q in model.parameters()), model.config
    peer.n_vars = len(c.past_names), len(c.future_names), len(c.static_names)
    peer.note = f'full network; groups of {GROUP} overlapping windows' if GROUP > 1 else 'full network; independent windows'
    peer.fixed_step, peer.run_loop, peer.model, peer.batch = fixed_step, run_loop, model, held
    return peer
