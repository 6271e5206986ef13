"""The commands of the documentation are ones that the tools understand."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mmdet3d_act.engine.launch import load_config
from tests.test_engine.toy import ROOT
from tests.test_tools.loading import load_tool

PAGES = ('README.md', 'docs/pretraining.md', 'docs/experiments.md')
PAGES += ('docs/results.md',)
LIGHT = (
    '../benchmarks/run',
    'browse_dataset',
    'cache_teacher',
    'dataset_converters/make_synthetic_scenes',
    'dataset_converters/make_synthetic_benchmarks',
    'dataset_converters/make_synthetic_shapes',
    'dataset_converters/s3dis',
    'dataset_converters/scannet_frames',
    'demo',
    'doctor',
    'linear_probe',
    'model_converters/convert_checkpoint',
    'model_converters/extract_backbone',
    'setup_env',
    'sweep',
    'test',
    'train',
    'visualize_reconstruction',
    'visualize_scene',
)
# Words that stand for a user's own config, and shell variables.
CONFIG = str(ROOT / 'configs/act/act_cls_modelnet40.py')
VARIABLES = {
    '$starts': 'act=a.pth scratch',
    '$s': '0',
    '$n': '8',
    '$p': 'tiny',
}


def commands() -> list[str]:
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text().replace('\\\n', ' ')
        found += re.findall(
            r'python (tools/(?:sweep|train|test)\.py .*)', text
        )
    return sorted(set(found))


@pytest.mark.parametrize('command', commands())
def test_commands_of_the_pages_are_understood(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    command = command.split(' & done')[0]
    for name, value in VARIABLES.items():
        command = command.replace(name, value)
    tool, *arguments = shlex.split(command, comments=True)
    arguments = [CONFIG if one == 'CONFIG' else one for one in arguments]
    load_tool(Path(tool).stem).parse_args(arguments)


REPRODUCE = (ROOT / 'docs/reproduce.md').read_text()
RECIPE = r'(?:[A-Z_]+=\S+ )*python tools/\w+\.py configs/[^`\n]+'
RECIPES = sorted({*re.findall(RECIPE, REPRODUCE)})


@pytest.mark.parametrize('command', RECIPES)
def test_recipes_of_the_papers_have_their_configs(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv('ACT_PRETRAINED', raising=False)
    # The page says that the others are written in the place of -hardest.
    for ending in ('-hardest', '-objbg', '-objonly'):
        words = shlex.split(command.replace('-hardest', ending))
        while '=' in words[0]:
            monkeypatch.setenv(*words.pop(0).split('=', 1))
        _, tool, config, *options = words
        assert (ROOT / tool).is_file()
        changes = None
        if tool == 'tools/train.py':
            args = load_tool('train').parse_args([config, *options])
            changes = args.cfg_options
        assert load_config(config, changes).model.type


def test_rows_of_both_papers_are_there():
    assert len(RECIPES) > 60
    for figure in ('93.29', '61.2', '63.8 / 42.1', '46.4', '63.4 / 42.2'):
        assert figure in REPRODUCE


REFUSED = """
browse_dataset        {toy} --epochs 0                     --epochs
browse_dataset        {toy} --out x.jpg                    --out
cache_teacher         {toy} --batch-size 0                 --batch-size
cache_teacher         gone.py                              gone.py
demo                  --epochs 1 5                         --epochs
linear_probe          a.pth --config {toy} --train-data x  --train-data
linear_probe          a.pth --config {toy} --out x.txt     --out
linear_probe          a.pth --config {toy} --seeds -1      --seeds
linear_probe          a.pth --config {toy} --C best        best
sweep                 {toy} --seeds 0 -1                   -1
sweep                 {toy} --way 5 0                      --way
sweep                 {toy} --epochs 0                     --epochs
sweep                 {toy} --folds 0                      --folds
sweep                 {toy} --seeds 1 2 1                  --seeds
sweep                 {toy} --percent 0 101                --percent
sweep                 {toy} --rule more                    more
sweep                 {toy} --cfg-options x                --cfg-options
sweep                 {toy} --start a/x.pth a/y.pth        'a'
sweep                 {toy} --start a=x.pth a=y.pth        'a'
sweep                 {toy} --start epoch.pth              ''
sweep                 {toy} {toy}                          config
sweep                 gone.py                              gone.py
test                  {toy} a.pth --out out.txt            out.txt
test                  {toy} a.pth --votes 3                --votes
train                 {toy} --epochs 0                     --epochs
train                 act_cls_modelnt40.py         act_cls_modelnet40.py?
visualize_reconstruction {toy} a.pth --num 0               --num
visualize_reconstruction {toy} a.pth --up-axis z           --up-axis
visualize_reconstruction {toy} a.pth --data x --part val   --part
visualize_scene       {toy} --num 0                        --num
visualize_scene       {toy} --score -1                     --score
dataset_converters.pack_points                             config
dataset_converters.pack_points --dataset=ShapeNet55        --data-root
dataset_converters.s3dis a b --workers -1                  --workers
dataset_converters.scannet_frames a b --frame-stride 0     --frame-stride
model_converters.convert_checkpoint a a                    DST
model_converters.convert_checkpoint a --model-config=b.txt --model-config
"""


@pytest.mark.parametrize('line', REFUSED.strip().splitlines())
def test_wrong_options_are_refused(line, capsys):
    tool, *args, offender = line.format(toy=CONFIG).split()
    with pytest.raises(SystemExit, match='2'):
        load_tool(tool).parse_args(args)
    assert offender in capsys.readouterr().err


def test_help_imports_nothing_heavy():
    code = (
        'import runpy, sys\n'
        f'sys.path.insert(0, {str(ROOT / "tools")!r})\n'
        f'for name in {LIGHT}:\n'
        "    sys.argv = [name, '--help']\n"
        '    try:\n'
        f"        path = f'{ROOT}/tools/{{name}}.py'\n"
        "        runpy.run_path(path, None, '__main__')\n"
        '    except SystemExit as end:\n'
        '        assert end.code == 0, name\n'
        "    assert 'torch' not in sys.modules, name\n"
        "    assert 'mmengine' not in sys.modules, name\n"
    )
    command = [sys.executable, '-c', code]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
