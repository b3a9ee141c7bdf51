"""Forecasts per CPU-second of another library's TFT and of ours, in evaluation mode, one thread, a held batch of 64 windows each.

    PYTHONPATH=. PEERS/bin/python .ci/bench_inference.py pf 64      who (pf, darts, nf or gluonts), hidden width

Each has a process of its own, as its users run it, and both take turns. The peers' environment needs this package's requirements too. BENCH
names the folder of the peers' adapters; BENCH_GROUP, BENCH_FORK and BENCH_PRECISION are as for `bench_peer.py`. Prints a line of JSON: the
median rate of each, and the median of the ratios of the rounds.
"""
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, os.environ.get('BENCH', str(Path(__file__).resolve().parents[2] / 'shared/bench')))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import numpy as np
from common import Spec, cpu_seconds, make_panel, set_threads

WARM, ROUNDS = 5, 25


def forward(who, peer):
    "One forecast of the held batch, by the library's own module."
    if who == 'ours': return peer.forecast
    if who == 'darts':
        from darts.utils.data.torch_datasets.utils import ModuleStage
        return lambda: peer.model(peer.batch.to_module_input(stage=ModuleStage.TRAIN))
    if who == 'gluonts': return lambda: peer.model.training_step(peer.batch, 0)
    return lambda: peer.model(peer.batch)


def serve(who, hidden):
    "For each line that comes in, forecast once and answer with its CPU-seconds; the first answer tells who we are."
    out, sys.stdout = sys.stdout, sys.stderr                                       # libraries talk
    set_threads(1)
    import torch
    peer = importlib.import_module('bench_peer' if who == 'ours' else f'peer_{who}').build(make_panel(), Spec(hidden=int(hidden), threads=1))
    torch.set_num_threads(1)
    peer.model.eval()
    call = forward(who, peer)
    print(json.dumps(dict(note=peer.note if who == 'ours' else '', torch=torch.__version__)), file=out, flush=True)
    with torch.no_grad():
        for _ in sys.stdin:
            before = cpu_seconds()
            call()
            print(cpu_seconds() - before, file=out, flush=True)


def main(who, hidden):
    pipe = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    both = [subprocess.Popen([sys.executable, __file__, 'serve', name, hidden], **pipe) for name in (who, 'ours')]
    about = [json.loads(p.stdout.readline()) for p in both][1]

    def seconds(process):
        process.stdin.write('\n'); process.stdin.flush()
        return float(process.stdout.readline())
    rounds = np.array([[seconds(p) for p in both] for _ in range(WARM + ROUNDS)])[WARM:]
    for p in both: p.stdin.close()
    theirs, mine = 64 / np.median(rounds, 0)
    print(json.dumps(dict(who=who, hidden=int(hidden), ours=about['note'], peer_rate=round(theirs, 1), our_rate=round(mine, 1),
                          ratio=round(float(np.median(rounds[:, 0] / rounds[:, 1])), 2), torch=about['torch'])))


if __name__ == '__main__':
    serve(*sys.argv[2:]) if sys.argv[1] == 'serve' else main(*sys.argv[1:])
