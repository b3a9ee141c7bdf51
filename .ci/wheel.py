"Check a built wheel: `wheel.py contents FILE`, and where it is installed alone, `wheel.py use`."
import importlib
import pkgutil
import sys
import zipfile

LIMIT = 320_000  # bytes of embedded data


def contents(path: str) -> None:
    "Data, licenses and types are shipped; nothing but the package is; the data stay small."
    wheel = zipfile.ZipFile(path)
    files = {i.filename: i.file_size for i in wheel.infolist()}
    info = next(f.split('/')[0] for f in files if f.endswith('.dist-info/METADATA'))
    data = {f: n for f, n in files.items() if f.startswith('tft_nb/stocks/')}
    wanted = {'tft_nb/__init__.py', 'tft_nb/_modidx.py', 'tft_nb/py.typed', 'tft_nb/stocks/stocks.csv.gz', 'tft_nb/stocks/LICENSE.txt'}
    assert wanted <= files.keys(), f'missing: {sorted(wanted - files.keys())}'
    assert b'tft_train' in wheel.read(f'{info}/entry_points.txt'), 'the command tft_train is not among the entry points'
    assert any(f.startswith(info) and f.endswith('LICENSE') for f in files), 'no LICENSE'
    stray = [f for f in files if not f.startswith(('tft_nb/', info))]
    assert not stray, f'strangers in the wheel: {stray}'
    assert sum(data.values()) < LIMIT, f'embedded data: {sum(data.values())} bytes, the limit is {LIMIT}'
    print(f'{len(files)} files; embedded data: {sum(data.values())} bytes')


def use() -> None:
    "Import every module, without the development packages, and load the embedded data."
    import tft_nb
    assert 'site-packages' in str(tft_nb.__file__), tft_nb.__file__
    names = [m.name for m in pkgutil.walk_packages(tft_nb.__path__, 'tft_nb.') if not m.name.startswith('tft_nb._')]
    public = {n: getattr(importlib.import_module(n), '__all__', []) for n in names}
    for name, exported in public.items():
        for n in exported:
            assert hasattr(sys.modules[name], n), f'{name}.__all__ names {n}, which is not there'
    for dev in ('nbdev', 'fastcore', 'execnb', 'IPython'):
        assert dev not in sys.modules, f'{dev} was imported: it is a development package'
    stocks = sys.modules['tft_nb.data'].load_stocks()
    assert stocks.symbol.nunique() == 5 and len(stocks) > 10_000, stocks.shape
    print(f'{len(names)} modules, {sum(map(len, public.values()))} public names, {len(stocks)} rows of stocks')


{'contents': contents, 'use': use}[sys.argv[1]](*sys.argv[2:])
