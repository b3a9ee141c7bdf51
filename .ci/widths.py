"""Nothing on a rendered page may be wider than the page, on a screen of 1280 and of 390 pixels.

    widths.py SITE [SHOTS]      SITE: folder of `docs.py site`; SHOTS: folder for screenshots; skipped by name without Chromium
"""
import html
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

WIDTHS = (1280, 390)
# elements that stick out of the page and out of everything that scrolls by itself
SCRIPT = '''<script>addEventListener('load', () => {
  const wide = document.documentElement.clientWidth + 1, found = [];
  for (const e of document.querySelectorAll('body *')) {
    if (e.getBoundingClientRect().right <= wide) continue;
    let p = e.parentElement, held = false;
    for (; p && p !== document.body; p = p.parentElement) if (/auto|scroll|hidden/.test(getComputedStyle(p).overflowX)) held = true;
    if (!held) found.push(e.tagName.toLowerCase() + ' ' + (e.textContent || e.alt || '').trim().slice(0, 60));
  }
  const out = document.createElement('pre');
  out.id = 'too-wide';
  out.textContent = found.slice(0, 3).join(' | ') + (document.documentElement.scrollWidth > wide && !found.length ? 'the page' : '');
  document.body.append(out);
});</script>'''


def browser():
    return next((b for b in map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome')) if b), None)


def chromium(*options):
    command = [browser(), '--headless=new', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--virtual-time-budget=30000', *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300).stdout


def too_wide(site, width):
    "What is wider than its page, by page: all pages in frames of one browser (a window can't be narrower than 500 pixels, a frame can)."
    pages = sorted(site.glob('*.html'))
    with tempfile.TemporaryDirectory(dir=site) as d:
        for page in pages:
            text = page.read_text(encoding='utf-8').replace('<head>', '<head><base href="../">', 1)
            (Path(d) / page.name).write_text(text.replace('</body>', f'{SCRIPT}</body>'), encoding='utf-8')
        frames = ''.join(f'<iframe src="{p.name}" name="{p.name}" width="{width}" height="900" style="border:0"></iframe>' for p in pages)
        (Path(d) / 'frames').with_suffix('.htm').write_text(
            f'<body style="margin:0">{frames}<script>'
            'addEventListener("load", () => setTimeout(() => { for (const f of document.querySelectorAll("iframe")) {'
            'const p = document.createElement("pre"); p.className = "said"; p.title = f.name;'
            'p.textContent = f.contentDocument.getElementById("too-wide")?.textContent ?? "not measured"; document.body.append(p) } }, 2000))'
            '</script></body>', encoding='utf-8')
        said = chromium('--allow-file-access-from-files', f'--window-size={max(width, 500)},2000', '--dump-dom', (Path(d) / 'frames.htm').as_uri())
    found = dict(re.findall(r'<pre class="said" title="(.*?)">(.*?)</pre>', said, re.S))
    return {p.name: html.unescape(found.get(p.name, 'not measured')) for p in pages}


def main(site, shots=None):
    if not browser():
        print('widths: skipped, no Chromium is installed')
        return
    site, bad = Path(site).resolve(), 0
    for width in WIDTHS:
        found = too_wide(site, width)
        for name, said in found.items():
            bad += bool(said)
            if said: print(f'{name} at {width}: {said}')
        for page in sorted(site.glob('*.html')) if shots else ():
            Path(shots).mkdir(parents=True, exist_ok=True)
            chromium(f'--window-size={max(width, 500)},3000', f'--screenshot={Path(shots) / f"{page.stem}-{width}.png"}', page.resolve().as_uri())
    print(f'widths: {len(found)} pages at {WIDTHS} pixels, {bad} too wide')
    sys.exit(bool(bad or not found))


if __name__ == '__main__':
    main(*sys.argv[1:])
