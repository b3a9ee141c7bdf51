"""Other libraries' normalizers on hard series: the recorded figures of nbs/03_normalize.ipynb.

python -m venv peers && peers/bin/pip install torch==2.13.0 pytorch-forecasting neuralforecast darts gluonts
peers/bin/python .ci/normalizer_peers.py
"""
import logging
import warnings
from importlib.metadata import version

import numpy as np
import pandas as pd
import torch
from darts import TimeSeries
from darts.dataprocessing.transformers import Scaler
from gluonts.torch.scaler import MeanScaler
from neuralforecast.common._scalers import TemporalNorm
from pytorch_forecasting.data.encoders import EncoderNormalizer, GroupNormalizer

warnings.filterwarnings('ignore')
logging.disable(50)


def series():
    "Past and future of six hard series (as in the notebook)."
    r = np.random.default_rng(0)
    n, e = 500, r.normal(size=500)
    return {'returns, sd 1e-4': (1e-4 * e, 1e-4 * r.normal(size=20)),
            'micro-cap price 2e-5': (2e-5 * np.exp(.03 * e), 2e-5 * np.exp(.03 * r.normal(size=20))),
            'halted, then +1 %': (np.full(n, 50.), np.full(20, 50.5)),
            'nearly flat, then +1 %': (50 + 1e-6 * e, np.full(20, 50.5)),
            'index 1e6, moves of 0.05': (1e6 + .05 * e, 1e6 + .05 * r.normal(size=20)),
            'one bad tick of 1e4 sd': (np.where(np.arange(n) == 77, 1e4, e), r.normal(size=20))}


def judge(past, future, scale, back):
    "Bulk spread of the scaled past, largest scaled future value, largest round-trip error of the past in spreads."
    t = scale(past)
    unit = np.subtract(*np.quantile(past, [.75, .25])) / 1.349 or abs(np.median(past)) * .01
    return [float(np.subtract(*np.quantile(t, [.75, .25])) / 1.349), float(np.abs(scale(future)).max()), float(np.abs(back(t) - past).max() / unit)]


def f32(x):
    return torch.tensor(np.asarray(x), dtype=torch.float32)


def pf_group(p):
    n, d = GroupNormalizer(groups=['g']), pd.DataFrame({'g': ['a'] * len(p), 'y': p})
    n.fit(d.y, d)
    c, s = (float(v) for v in n.get_parameters(['a'], ['g']))
    return (lambda x: f32(n.transform(pd.Series(x), pd.DataFrame({'g': ['a'] * len(x)}))).double().numpy(),
            lambda t: n(dict(prediction=f32(t)[None], target_scale=torch.tensor([[c, s]])))[0].double().numpy())


def pf_encoder(p):
    n = EncoderNormalizer()
    n.fit(f32(p))
    return (lambda x: n.transform(f32(x)).double().numpy(),
            lambda t: n(dict(prediction=f32(t)[None], target_scale=n.get_parameters()[None].float()))[0].double().numpy())


def nf_robust(p):
    n = TemporalNorm(scaler_type='robust', dim=1)
    n.transform(f32(p)[None, :, None], torch.ones(1, len(p), 1))
    shift, scale = n.x_shift[0, 0, 0], n.x_scale[0, 0, 0]
    return lambda x: ((f32(x) - shift) / scale).double().numpy(), lambda t: (f32(t) * scale + shift).double().numpy()


def darts_scaler(p):
    def to(x): return TimeSeries.from_values(np.asarray(x, 'float32'))
    s = Scaler()
    s.fit(to(p))
    return lambda x: s.transform(to(x)).values()[:, 0].astype(float), lambda t: s.inverse_transform(to(t)).values()[:, 0].astype(float)


def gluonts_mean(p):
    _, loc, s = MeanScaler(dim=-1, keepdim=True)(f32(p)[None], torch.ones(1, len(p)))
    return lambda x: ((f32(x) - loc[0]) / s[0]).double().numpy(), lambda t: (f32(t) * s[0] + loc[0]).double().numpy()


def z_score(p):
    m, s = f32(p).mean(), f32(p).std()
    s = s if s > 1e-8 else torch.tensor(1.)
    return lambda x: ((f32(x) - m) / s).double().numpy(), lambda t: (f32(t) * s + m).double().numpy()


PEERS = {'pytorch-forecasting Group': pf_group, 'pytorch-forecasting Encoder': pf_encoder, 'neuralforecast robust': nf_robust,
         'darts Scaler': darts_scaler, 'gluonts mean': gluonts_mean, "z-score (the incident's)": z_score}
print({k: version(k) for k in ('torch', 'pytorch-forecasting', 'neuralforecast', 'darts', 'gluonts')})
for name, make in PEERS.items():
    figures = [judge(p, f, *make(p)) for p, f in series().values()]
    print(f'    {name!r}:', '[' + ', '.join('(' + ', '.join(f'{x:.2g}' for x in f) + ')' for f in figures) + '],')
