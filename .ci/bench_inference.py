"""Forecasts per CPU-second of one library's TFT in evaluation mode, one thread, a held batch of 64 windows, as a line of JSON.

    PEERS/bin/python .ci/bench_inference.py pf 64      who (pf, darts, nf, gluonts or ours), hidden width

BENCH names the folder of the peers' adapters; BENCH_GROUP the size of our groups of overlapping windows (1: independent ones).
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

ROUNDS = 12


def forward(who, peer):
    "One forecast of the held batch, by the library's own module."
    if who == 'darts':
        from darts.utils.data.torch_datasets.utils import ModuleStage
        return lambda: peer.model(peer.batch.to_module_input(stage=ModuleStage.TRAIN))
    if who == 'gluonts': return lambda: peer.model.training_step(peer.batch, 0)
    return lambda: peer.model(peer.batch)


def main(who, hidden):
    set_threads(1)
    import torch
    spec = Spec(hidden=int(hidden), threads=1)
    peer = importlib.import_module('bench_peer' if who == 'ours' else f'peer_{who}').build(make_panel(), spec)
    torch.set_num_threads(1)
    peer.model.eval()
    call, seconds = forward(who, peer), []
    with torch.no_grad():
        for _ in range(ROUNDS + 2):
            before = cpu_seconds()
            call()
            seconds.append(cpu_seconds() - before)
    rate = spec.batch / float(np.median(seconds[2:]))
    print(json.dumps(dict(who=who, hidden=spec.hidden, group=int(os.environ.get('BENCH_GROUP', '8')) if who == 'ours' else None,
                          samples_per_cpu_second=round(rate, 1), torch=torch.__version__)))


if __name__ == '__main__':
    main(*sys.argv[1:])
