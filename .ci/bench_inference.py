"""Forecasts per CPU-second of another library's TFT and of ours by turns, in evaluation mode, one thread, a held batch of 64 windows each.

    PYTHONPATH=. PEERS/bin/python .ci/bench_inference.py pf 64      who (pf, darts, nf or gluonts), hidden width

The peers' environment needs this package's requirements too. BENCH names the folder of the peers' adapters; BENCH_GROUP, BENCH_FORK and
BENCH_PRECISION are as for `bench_peer.py`. Prints a line of JSON: the median rate of each, and the median of the ratios of the rounds.
"""
import importlib
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, os.environ.get('BENCH', str(Path(__file__).resolve().parents[2] / 'shared/bench')))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import numpy as np
from common import Spec, cpu_seconds, make_panel, set_threads

ROUNDS = 15


def forward(who, peer):
    "One forecast of the held batch, by the library's own module."
    if who == 'darts':
        from darts.utils.data.torch_datasets.utils import ModuleStage
        return lambda: peer.model(peer.batch.to_module_input(stage=ModuleStage.TRAIN))
    if who == 'gluonts': return lambda: peer.model.training_step(peer.batch, 0)
    return lambda: peer.model(peer.batch)


def seconds(call):
    "CPU-seconds of a call."
    before = cpu_seconds()
    call()
    return cpu_seconds() - before


def main(who, hidden):
    set_threads(1)
    import bench_peer
    import torch
    spec, panel = Spec(hidden=int(hidden), threads=1), make_panel()
    peer, ours = importlib.import_module(f'peer_{who}').build(panel, spec), bench_peer.build(panel, spec)
    torch.set_num_threads(1)
    peer.model.eval(); ours.model.eval()
    with torch.no_grad(): rounds = np.array([[seconds(forward(who, peer)), seconds(ours.forecast)] for _ in range(ROUNDS + 3)])[3:]
    theirs, mine = spec.batch / np.median(rounds, 0)
    print(json.dumps(dict(who=who, hidden=spec.hidden, ours=ours.note, peer_rate=round(theirs, 1), our_rate=round(mine, 1),
                          ratio=round(float(np.median(rounds[:, 0] / rounds[:, 1])), 2), torch=torch.__version__)))


if __name__ == '__main__':
    main(*sys.argv[1:])
