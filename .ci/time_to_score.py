"""CPU-seconds of training until a held-out q-risk is reached, ours and other libraries' TFTs on the same normalized tables.

    OURS/bin/python  .ci/time_to_score.py prepare DATA FOLDER                     DATA: folder of the shared series
    OURS/bin/python  .ci/time_to_score.py run FOLDER stocks ours 0 0.005          table, who, seed, learning rate
    PEERS/bin/python .ci/time_to_score.py run FOLDER stocks pf 0 0.001            who: ours, pf, darts, gluonts or nf

Each run appends lines of JSON to FOLDER/curves.jsonl. One thread; the CPU-seconds of evaluations and of the set-up are left out; a run
ends when 12 evaluations in a row brought nothing better, or after the budget. BENCH names the folder of the peers' adapters,
BENCH_GROUP the size of our groups of windows, DROPOUT the share that is dropped (0.1), STEPS the length of our schedule.
"""
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, os.environ.get('BENCH', str(Path(__file__).resolve().parents[2] / 'shared/bench')))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import numpy as np
from common import Panel, Spec, cpu_seconds, set_threads

SHAPES = {'stocks': (30, 5), 'realized volatility': (30, 5), 'transformers': (96, 24)}    # encoder, horizon
QUANTILES, PATIENCE, BUDGET, EVERY = (0.1, 0.5, 0.9), 12, 200, 25


def arrays(y, past, code, horizon):
    "A table as arrays `(series, time)`: standardized on the first 80 % of the rows, clipped at 5; both parts are whole horizons."
    train = int(len(y) * 0.8) // horizon * horizon
    rows = len(y) - (len(y) - train) % horizon
    scale = lambda x: ((x - x[:train].mean()) / x[:train].std()).clip(-5, 5).to_numpy(np.float32).T[:, :rows]
    day = 2 * np.pi * y.index.day_of_year / 365.25
    known = np.stack([np.sin(day), np.cos(day), y.index.day_of_week / 3 - 1], -1).astype(np.float32)[:rows]
    everywhere = lambda x: np.broadcast_to(x, (y.shape[1], *x.shape))
    return dict(y=scale(y), past=np.stack([scale(p) for p in past], -1), train=train, known=everywhere(known),
                code=everywhere(np.asarray(code(y.index))[:rows]))


def prepare(data, folder):
    "Write the three tables."
    import pandas as pd
    from tft_nb.data import load_stocks
    wide = lambda df, names: df.pivot(index='date', columns='symbol', values=names).dropna()
    smooth = lambda y: [y.rolling(n, min_periods=1).mean() for n in (5, 22)]
    stocks = load_stocks().query("symbol != 'FB'")
    stocks['y'] = np.log(np.log(stocks.high / stocks.low).clip(1e-4))
    s = wide(stocks, ['y', 'volume'])
    s.columns = s.columns.set_names(['what', 'symbol'])
    indices = wide(pd.read_parquet(f'{data}/omi_rv5_24_indices_daily.parquet'), 'rv5_sqrt')
    rv = np.log(indices.where(indices > 0).ffill().bfill())
    oil = pd.read_parquet(f'{data}/ett.parquet').query("symbol in ('ETTh1', 'ETTh2')")
    tables = {'stocks': (s['y'], [*smooth(s['y']), np.log(s['volume'])], lambda d: d.day_of_week),
              'realized volatility': (rv, [*smooth(rv), rv.diff().fillna(0)], lambda d: d.day_of_week),
              'transformers': (wide(oil, 'OT'), [wide(oil, c) for c in ('HUFL', 'MUFL', 'LUFL')], lambda d: d.hour)}
    for name, found in tables.items(): np.savez(Path(folder) / f'{name}.npz', **arrays(*found, SHAPES[name][1]))


def load(folder, name):
    "The table as the adapters' panel of training rows, the panel of all rows, and the number of training rows."
    z = np.load(Path(folder) / f'{name}.npz')
    n, full = int(z['train']), len(z['y'])
    panel = lambda t: Panel(z['y'][:, :t], z['known'][:, :t], z['past'][:, :t], np.arange(full), z['code'][:, :t].astype(np.int64), full, 24)
    return panel(n), panel(z['y'].shape[1]), n


def q_risk(forecasts, actual):
    "Mean over quantiles of the paper's q-risk of all held-out windows (the peers' environment has no tft_nb)."
    d = actual[..., None] - forecasts
    q = np.array(QUANTILES)
    return float((2 * np.maximum(q * d, (q - 1) * d).sum((0, 1)) / np.abs(actual).sum()).mean())


class Done(Exception):
    "Nothing improves any more, or the budget is spent."


class Curve:
    "Ticks after each step; every so often it stops the clock, scores and takes a note; raises `Done` when nothing improves."

    def __init__(self, note, score):
        self.note, self.score, self.steps, self.left_out, self.best, self.idle = note, score, 0, None, np.inf, 0
        self.module = None

    def __call__(self):
        self.steps += 1
        if self.left_out is None: self.left_out = cpu_seconds()        # the first step compiles, allocates, warms up: not counted
        elif self.steps % EVERY == 0: self.look()

    def look(self):
        before = cpu_seconds()
        seconds, value = before - self.left_out, self.score(self.module)
        self.note(dict(steps=self.steps, cpu_seconds=round(seconds, 3), q_risk=round(value, 5)))
        self.idle = 0 if value < self.best else self.idle + 1
        self.best = min(self.best, value)
        self.left_out += cpu_seconds() - before
        if self.idle >= PATIENCE or seconds > BUDGET: raise Done


def pf(train, every, n, spec):
    import peer_pf
    import torch
    from common import to_long_frame
    peer = peer_pf.build(train, spec)
    ds = peer.loader.dataset
    held = type(ds).from_dataset(ds, to_long_frame(every), stop_randomization=True, min_prediction_idx=n)
    held = held.filter(lambda x: (x.time_idx_first_prediction - n) % spec.horizon == 0)
    batches = list(held.to_dataloader(train=False, batch_size=256, num_workers=0))

    def score(module):
        module.eval()
        with torch.no_grad(): out = [(module(x)['prediction'].numpy(), y[0].numpy()) for x, y in batches]
        module.train()
        return q_risk(*map(np.concatenate, zip(*out)))
    return peer.run_loop, score


def darts(train, every, n, spec):
    import pandas as pd
    import peer_darts
    import torch
    from darts import TimeSeries
    from darts.models import TFTModel
    from darts.utils.data.torch_datasets.utils import ModuleStage, _batch_collate_fn_train
    made, fit = [], TFTModel.fit
    TFTModel.fit = lambda self, *a, **k: (made.append(self), fit(self, *a, **k))[1]      # keep what the adapter builds
    peer = peer_darts.build(train, spec)
    model = made[0]
    first, rows = n - spec.encoder, every.T
    index = pd.RangeIndex(first, rows)
    series = lambda x: TimeSeries.from_times_and_values(index, x[first:]).astype(np.float32)
    ts = [series(every.y[s][:, None]).with_static_covariates(pd.DataFrame({'scat': [float(every.static_cat[s])]})) for s in range(every.S)]
    pc = [series(every.past[s]) for s in range(every.S)]
    fc = [series(np.concatenate([every.known[s], (every.known_cat[s] / 12.0 - 1.0)[:, None]], -1)) for s in range(every.S)]
    ds = model._build_train_dataset(series=ts, past_covariates=pc, future_covariates=fc, sample_weight=None,
                                    max_samples_per_ts=None, stride=spec.horizon)
    batches = [_batch_collate_fn_train([ds[j] for j in range(i, min(i + 256, len(ds)))]) for i in range(0, len(ds), 256)]

    def score(module):
        module.eval()
        with torch.no_grad(): out = [module(b.to_module_input(stage=ModuleStage.TRAIN)).prediction[:, :, 0].numpy() for b in batches]
        module.train()
        return q_risk(np.concatenate(out), np.concatenate([b.future_target[..., 0].numpy() for b in batches]))
    return peer.run_loop, score


def held_arrays(every, n, spec):
    "The held-out windows of all series, a horizon apart, as arrays: target, past, known, code (all steps) and series."
    starts = np.arange(n - spec.encoder, every.T - spec.encoder - spec.horizon + 1, spec.horizon)
    rows = starts[:, None] + np.arange(spec.encoder + spec.horizon)
    series = np.repeat(np.arange(every.S), len(starts))
    cut = lambda x: x[:, rows].reshape(len(series), rows.shape[1], *x.shape[2:])
    return cut(every.y), cut(every.past), cut(every.known), cut(every.known_cat), series


def in_blocks(forecast, *arrays):
    "Forecasts of 256 windows at a time, without gradients."
    import torch
    tensors = [torch.as_tensor(np.ascontiguousarray(a)) for a in arrays]
    with torch.no_grad(): return np.concatenate([forecast(*block).numpy() for block in zip(*(t.split(256) for t in tensors))])


def gluonts(train, every, n, spec):
    import peer_gluonts
    import torch
    peer = peer_gluonts.build(train, spec)
    y, past, known, code, series = held_arrays(every, n, spec)
    E = spec.encoder
    dynamic = np.concatenate([np.zeros_like(known[..., :1]), known[..., :2]], -1)      # as the adapter's own batches: a dummy comes first

    def score(module):
        def forecast(y, past, dynamic, code, series):
            args, loc, scale = module.model(
                past_target=y, past_observed_values=torch.ones_like(y), feat_static_real=torch.zeros(len(y), 1), feat_static_cat=series[:, None],
                feat_dynamic_real=dynamic, feat_dynamic_cat=code[..., None], past_feat_dynamic_real=past)
            return args[0] * scale[..., None] + loc[..., None]
        module.eval()
        out = in_blocks(forecast, y[:, :E], past[:, :E], dynamic, code, series)
        module.train()
        return q_risk(out, y[:, E:])
    return peer.run_loop, score


def nf(train, every, n, spec):
    import peer_nf
    import torch
    peer = peer_nf.build(train, spec)
    y, past, known, code, series = held_arrays(every, n, spec)
    E = spec.encoder
    table = np.concatenate([y[..., None], past, known, code[..., None] / 12 - 1], -1).astype(np.float32)

    def score(module):
        def forecast(x, series):
            mask = torch.ones(len(x), x.shape[1], 1, 1)
            mask[:, E:] = 0
            z = module.scaler.transform(x=x.unsqueeze(-1), mask=mask).squeeze(-1)
            out = module(dict(insample_y=z[:, :E, :1], insample_mask=torch.ones(len(x), E, 1), hist_exog=z[:, :E, 1:4], futr_exog=z[..., 4:],
                              stat_exog=series[:, None].float()))
            return out.squeeze(-1) * module.scaler.x_scale[:, :, 0] + module.scaler.x_shift[:, :, 0]
        module.eval()
        out = in_blocks(forecast, table, series)
        module.train()
        return q_risk(out.reshape(len(y), spec.horizon, -1), y[:, E:])
    return peer.run_loop, score


def ours(train, every, n, spec):
    import torch
    from bench_peer import GROUP, SPEC, table
    from tft_nb.data import Panel as Table
    from tft_nb.model import TFT, SharedWindows
    from tft_nb.train import TrainConfig, Trainer
    p, whole = Table.from_frame(table(train), SPEC), Table.from_frame(table(every), SPEC)
    held = whole.windows(spec.encoder, spec.horizon)
    place = held.starts % every.T + spec.encoder - n
    chosen = torch.nonzero((place >= 0) & (place % spec.horizon == 0)).flatten()
    batches = [held.batch(i) for i in chosen.split(256)]
    windows = SharedWindows(p, spec.encoder, spec.horizon, size=GROUP)

    def score(trainer):
        model = trainer.model.eval()
        with trainer.run.averages.inside(), torch.no_grad(): out = [model(b).numpy() for b in batches]
        model.train()
        return q_risk(np.concatenate(out), np.concatenate([b['target'].numpy() for b in batches]))

    def run_loop(steps, tick):
        def end(trainer, row):
            tick.module, tick.steps = trainer, trainer.step
            tick.look()
        config = TrainConfig.fast(epochs=steps // EVERY, steps_per_epoch=EVERY, batch_size=spec.batch // GROUP, lr=spec.lr, seed=spec.seed,
                                  device='cpu')
        tick.left_out = cpu_seconds()
        Trainer(TFT.from_panel(p, encoder=spec.encoder, horizon=spec.horizon, hidden=spec.hidden, heads=spec.heads, dropout=spec.dropout),
                config, show=False, on_epoch=end).fit(windows)
    return run_loop, score


def run(folder, name, who, seed, lr):
    "Train, and append the curve."
    import torch
    set_threads(1)
    torch.manual_seed(int(seed)); np.random.seed(int(seed))
    encoder, horizon = SHAPES[name]
    steps = int(os.environ.get('STEPS', '100000'))
    spec = Spec(encoder=encoder, horizon=horizon, hidden=32, threads=1, seed=int(seed), lr=float(lr), quantiles=QUANTILES,
                dropout=float(os.environ.get('DROPOUT', '0.1')))
    head = dict(table=name, who=who, seed=int(seed), lr=float(lr), dropout=spec.dropout, torch=torch.__version__)
    with open(Path(folder) / 'curves.jsonl', 'a') as out:
        def note(row): print(json.dumps(head | row), file=out, flush=True)
        tick = Curve(note, None)
        run_loop, tick.score = {'ours': ours, 'pf': pf, 'darts': darts, 'gluonts': gluonts, 'nf': nf}[who](*load(folder, name), spec)
        try: run_loop(steps, tick)
        except Done: pass


if __name__ == '__main__':
    {'prepare': prepare, 'run': run}[sys.argv[1]](*sys.argv[2:])
