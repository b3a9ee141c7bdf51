"Print the lowest versions that `settings.ini` declares, as constraints for pip; `--keep NAME ...` leaves some out."
import re
import shlex
import sys
from configparser import ConfigParser
from pathlib import Path

parser = ConfigParser(delimiters=['='])
parser.read(Path(__file__).parents[1] / 'settings.ini', encoding='utf-8')
for requirement in shlex.split(parser['DEFAULT']['requirements']):
    name, floor = re.fullmatch(r'([\w-]+)>=([\d.]+)', requirement).groups()
    if name not in sys.argv[2:]:
        print(f'{name}=={floor}')
