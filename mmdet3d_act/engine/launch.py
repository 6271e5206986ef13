"""From a command line to a config that a runner can be built from."""

from __future__ import annotations

import copy
import inspect
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from mmengine import visualization
from mmengine.config import Config
from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_world_size
from mmengine.logging import MMLogger, print_log
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.runner import FlexibleRunner, Runner
from torch import nn
from torch.utils.data import DataLoader

from mmdet3d_act import compat
from mmdet3d_act.checkpoint import (
    LAST_CHECKPOINT,
    find_checkpoint,
    pretrained_part,
    resolve_checkpoint,
)
from mmdet3d_act.engine.distributed import prepare_distributed, unwrapped
from mmdet3d_act.engine.failures import UsageError, arguments_of
from mmdet3d_act.engine.hooks import (
    CheckpointFitHook,
    ClassCheckHook,
    FiniteCheckHook,
    MeanLossHook,
    MissedValidationHook,
    PreemptionHook,
    SaveBestCheckHook,
    ScheduleFitHook,
    StoredTargetHook,
)
from mmdet3d_act.engine.hooks.class_check_hook import HEADS
from mmdet3d_act.engine.optim import CPUAmpOptimWrapper
from mmdet3d_act.engine.preflight import collect_problems, iter_typed
from mmdet3d_act.engine.sharding import ShardedStrategy  # noqa: F401
from mmdet3d_act.registry import registered_classes
from mmdet3d_act.text import counted, inform, warn

# What every run has, in this order.
RUN_HOOKS = (
    CheckpointFitHook,
    ClassCheckHook,
    SaveBestCheckHook,
    ScheduleFitHook,
    StoredTargetHook,
    FiniteCheckHook,
    PreemptionHook,
    MissedValidationHook,
)
# Environment variables that make another experiment of a config.
VARIANTS = ('ACT_TEACHER', 'ACT_TRANSFER')
# How the environment variables begin that stand in strings of configs.
PREFIXES = ('ACT_', 'CONCEPT_', 'POINT_MAE_')
# Beside MMEngine's settings: what tools/test.py --tta reads.
VOTING_PARTS = ('tta_model', 'tta_dataloader', 'tta_cfg')
# What a training reads of a config; the rest may be variables of its file, or
# be for tools/test.py.
TRAIN_PARTS = (
    'model',
    'train_dataloader',
    'val_dataloader',
    'val_evaluator',
    'custom_hooks',
    'load_from',
)


@contextmanager
def _escaped_variables() -> Iterator[dict[str, str]]:
    """Escape quotes and backslashes of variables, and yield the original.

    MMEngine puts them into the text of a config, as the template of a
    regular expression's replacement.
    """
    original = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(PREFIXES)
    }
    for name, value in original.items():
        literal = re.sub(r'([\\\'"])', r'\\\1', value)
        os.environ[name] = literal.replace('\\', '\\\\')
    try:
        yield original
    finally:
        os.environ.update(original)


def load_config(path: str, options: Mapping | None = None) -> Config:
    """Read a config, with the options of the command line.

    Args:
        path: A config file, or the name of one of the package's configs, for
            example ``mmdet3d_act::act/act_dvae_shapenet.py``.
        options: Dotted names and values that replace the file's.

    Raises:
        UsageError: If there is no such config, it cannot be read, or an
            option does not fit it.
    """
    try:
        file = compat.find_config(path) if '::' in path else Path(path)
        with _escaped_variables() as variables:
            cfg = Config.fromfile(file)
        cfg.env_variables.update(
            {k: variables[k] for k in cfg.env_variables if k in variables}
        )
    except ImportError:
        # Its traceback tells of the code, not of the config.
        raise
    except Exception as error:
        raise UsageError(
            f'the config {path} cannot be read: {type(error).__name__}: '
            f'{error}'
        ) from error
    problem = misspelt_option(options or {}, cfg)
    if problem:
        raise UsageError(f'--cfg-options do not fit {path}: {problem}')
    try:
        cfg.merge_from_dict(options or {})
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f'--cfg-options do not fit {path}: {error}'
        ) from error
    if cfg.get('classes_from_data'):
        count_classes(cfg)
    return cfg


def count_classes(cfg: Config) -> None:
    """Give a head as many classes as the folder of its training data has.

    Also, to detectors, whether boxes have a yaw. Where there is no such
    folder the config stays as it is.

    Args:
        cfg: The config, changed in place.

    Raises:
        UsageError: If the folder cannot be used.
    """
    dataset = cfg.train_dataloader.dataset
    while 'dataset' in dataset:  # RepeatDataset and its like
        dataset = dataset.dataset
    cls: Any = registered_classes(dataset['type'])[0]
    try:
        meta = cls.find_classes(dataset.to_dict())
    except (OSError, ValueError) as error:
        raise UsageError(str(error)) from error
    if not meta.get('classes'):
        return
    cfg.classes_from_data = False
    number = len(meta['classes'])
    for name in HEADS:
        head = cfg.model.get(name)
        if head is None:
            continue
        head.num_classes = number
        if 'turned_boxes' in meta:
            bins = 12 if meta['turned_boxes'] else 1
            head.num_angle_bins = bins
            head.box_coder.num_angle_bins = bins
            head.loss.num_classes = number


def misspelt_option(options: Iterable[str], cfg: Mapping) -> str | None:
    """Describe the first option that nothing would read.

    Names that resemble no setting are taken for variables of one's own.

    Args:
        options: Dotted names of settings.
        cfg: The config that they are for.
    """
    settings = {*cfg, *inspect.signature(Runner).parameters, *VOTING_PARTS}
    for option in options:
        node, known = cfg, settings
        for name in option.split('.'):
            near = get_close_matches(name, known, n=1, cutoff=0.8)
            if name not in known and near:
                return (
                    f'there is no setting {name!r}, as in {option!r}; did you '
                    f'mean {near[0]!r}?'
                )
            node = node.get(name) if hasattr(node, 'get') else None
            known = set(node) if isinstance(node, Mapping) else set()
            # Other parts may hold any names.
            if 'type' not in known:
                known = set()
                continue
            for cls in registered_classes(node['type']):
                known |= arguments_of(cls)
    return None


def set_work_dir(cfg: Config, work_dir: str | None, config: str) -> None:
    """Choose the work directory: given, the config's, or after its name.

    The name has the variant, as in ``act_cls_modelnet40_linear``.

    Args:
        cfg: The config, changed in place.
        work_dir: From the command line.
        config: Name of the config file.

    Raises:
        UsageError: If it is a file.
    """
    # Variants of a config do not share a folder.
    chosen = [cfg.env_variables[k] for k in VARIANTS if k in cfg.env_variables]
    name = '_'.join([Path(config).stem, *chosen])
    cfg.work_dir = work_dir or cfg.get('work_dir') or f'work_dirs/{name}'
    if Path(cfg.work_dir).is_file():
        raise UsageError(f'the work directory {cfg.work_dir} is a file')


def set_seed(
    cfg: Config, seed: int | None = None, deterministic: bool = False
) -> None:
    """Set what makes a run repeatable.

    Args:
        cfg: The config, changed in place.
        seed: Seed of everything, >= 0; None keeps the config's.
        deterministic: Whether PyTorch may use deterministic kernels only.
    """
    randomness = dict(cfg.get('randomness') or {})
    if seed is not None:
        randomness['seed'] = seed
    if deterministic:
        randomness['deterministic'] = True
    cfg.randomness = randomness


def enable_amp(cfg: Config) -> None:
    """Train in mixed precision: float16 with CUDA, bfloat16 without.

    CPUs that have no instructions for it stay at float32.

    Args:
        cfg: The config, changed in place.

    Raises:
        UsageError: If it has an optimiser wrapper that this does not fit.
    """
    if 'optim_wrapper' not in cfg:
        raise UsageError('--amp needs a config with optim_wrapper')
    kind = _wrapper_class(cfg)
    if kind is OptimWrapper:
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.loss_scale = 'dynamic'
    elif kind not in (AmpOptimWrapper, CPUAmpOptimWrapper):
        kind = cfg.optim_wrapper.get('type')
        raise UsageError(
            '--amp works with optim_wrapper of type OptimWrapper, the config '
            f'has {kind}; choose its mixed precision in the config'
        )
    fit_amp_to_device(cfg)


def fit_amp_to_device(cfg: Config) -> None:
    """Replace MMEngine's mixed precision by ours where there is no CUDA.

    Args:
        cfg: The config, changed in place.
    """
    if _wrapper_class(cfg) is not AmpOptimWrapper or torch.cuda.is_available():
        return
    wrapper = cfg.optim_wrapper
    for option in ('loss_scale', 'dtype', 'use_fsdp'):
        wrapper.pop(option, None)
    fast = compat.cpu_computes_bfloat16()
    wrapper['type'] = 'CPUAmpOptimWrapper' if fast else 'OptimWrapper'
    inform(
        'No CUDA device: mixed precision is bfloat16 on CPU.'
        if fast
        else 'No CUDA device, and a CPU without instructions for bfloat16, '
        'which takes it many times as long: the training is in float32.'
    )


def _wrapper_class(cfg: Config) -> type | None:
    """Resolve the type of a config's optimiser wrapper."""
    wrapper = cfg.get('optim_wrapper')
    if wrapper is None:
        return None
    classes = registered_classes(wrapper.get('type', 'OptimWrapper'))
    return classes[0] if classes else None


def set_resume(cfg: Config, resume: str | None) -> None:
    """Choose what the training continues from.

    Args:
        cfg: The config with its work directory, changed in place.
        resume: None for the config's own choice, ``'auto'`` for the last
            checkpoint of the work directory where there is one, or a path.

    Raises:
        UsageError: If the last checkpoint does not exist.
        MissingCheckpointError: If the path has none.
    """
    if resume is None:
        return
    if resume == 'auto':
        path = find_checkpoint(cfg.work_dir)
        note = Path(cfg.work_dir) / LAST_CHECKPOINT
        if path is None and note.is_file():
            raise UsageError(
                f'{note} names {note.read_text().strip()}, which does not '
                'exist; resume from another checkpoint by --resume PATH, or '
                'delete the note to start anew'
            )
        if path is None:
            print_log(f'No checkpoint in {cfg.work_dir}: starting anew.')
            cfg.resume = False
            return
        resume = str(path)
    cfg.resume = True
    cfg.load_from = resolve_checkpoint(resume)


def enable_tta(cfg: Config, config: str, rounds: int | None = None) -> None:
    """Test with several random views of every sample, as the config says.

    The model goes into ``tta_model``. ``tta_pipeline`` takes the place of the
    test data's pipeline, as in MMDetection3D; or ``tta_dataloader`` and
    ``tta_cfg`` those of ``test_dataloader`` and ``test_cfg``.

    Args:
        cfg: The config, changed in place.
        config: Name of the config file.
        rounds: Number of votes, see
            :class:`~mmdet3d_act.engine.VotingTestLoop`; None keeps the
            config's. Not with a ``tta_pipeline``, whose views are fixed.

    Raises:
        UsageError: If it has no such parts.
    """
    fixed = 'tta_pipeline' in cfg
    require(
        cfg,
        ['tta_model'] if fixed else VOTING_PARTS,
        config,
        remedy='write them as configs/act/act_cls_modelnet40.py and its '
        'bases have them, or test without --tta',
    )
    cfg.model = dict(**cfg.tta_model, module=cfg.model)
    if fixed:
        if rounds is not None:
            raise UsageError(f'the views of {config} are fixed: no --votes')
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
        return
    cfg.test_dataloader = cfg.tta_dataloader
    cfg.test_cfg = cfg.tta_cfg
    if rounds is not None:
        cfg.test_cfg.rounds = rounds


def forget_pretrained(cfg: Config) -> None:
    """Leave out the checkpoint that a model's training would begin with.

    Only of the whole model and of its ``backbone``: what is frozen elsewhere
    may not be in the checkpoint that is to come.

    Args:
        cfg: The config, changed in place; all weights come from elsewhere.
    """
    for part in (cfg.model, cfg.model.get('backbone')):
        if part is not None and pretrained_part(part.get('init_cfg')):
            part.init_cfg = None


def require(
    cfg: Config,
    keys: Iterable[str],
    config: str,
    *,
    remedy: str | None = None,
) -> None:
    """Check that a config has the parts that a tool runs.

    Args:
        cfg: The config.
        keys: Names of the parts.
        config: Name of the config file.
        remedy: What to do where one is absent.

    Raises:
        UsageError: If one is absent.
    """
    absent = [key for key in keys if cfg.get(key) is None]
    if absent:
        problem = f'the config {config} has no {", ".join(absent)}'
        raise UsageError(f'{problem}; {remedy}' if remedy else problem)


def check_requirements(
    cfg: Config, config: str, keys: Iterable[str] | None = None
) -> None:
    """Stop before anything is built when something is missing.

    Args:
        cfg: The config.
        config: Name of the config file.
        keys: Parts that are looked at; None for all.

    Raises:
        UsageError: With all problems and their remedies in one message.
    """
    problems = collect_problems(cfg, keys)
    if not problems:
        return
    lines = [f'{config} cannot run yet: {counted(len(problems), "problem")}.']
    for number, problem in enumerate(problems, start=1):
        text = problem.strip().replace('\n', '\n     ')
        lines.append(f'{number:3d}. {text}')
    raise UsageError('\n'.join([*lines, 'Nothing has been built or written.']))


class _Runner(Runner):
    """A runner that writes the config to the log file only."""

    def build_visualizer(
        self, visualizer: dict | None = None
    ) -> visualization.Visualizer:
        """Build the visualizer; to look it up would import Open3D."""
        visualizer = copy.deepcopy(visualizer)
        for one in iter_typed(visualizer):
            one['type'] = vars(visualization).get(one['type'], one['type'])
        return super().build_visualizer(visualizer)

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build the logger; the terminal leaves the config out."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(
                    lambda record: not str(record.msg).startswith('Config:\n')
                )
        return logger


def build_runner(cfg: Config) -> Runner:
    """Build the runner of a config, set up for the machine's devices.

    Args:
        cfg: The config, with ``launcher`` and ``work_dir``.
    """
    compat.tune_allocator()
    fit_amp_to_device(cfg)
    prepare_distributed(cfg)
    if isinstance(cfg.get('visualizer'), Mapping):
        # Named after the run: a second run of this process, in a notebook,
        # would write to the folder of the first one's.
        cfg.visualizer.pop('name', None)
    # MMEngine writes it four times; yapf takes up to half a second for each.
    cfg = copy.copy(cfg)
    vars(cfg)['_format_python_code'] = False
    # In one process there is nothing to share out.
    shared = cfg.get('strategy') and cfg.get('launcher', 'none') != 'none'
    runner = (FlexibleRunner if shared else _Runner).from_cfg(cfg)
    options = runner.cfg.pop('compile', None)
    if options and not shared:
        compile_loss(unwrapped(runner.model), options)
    for hook in RUN_HOOKS:
        if not any(isinstance(one, hook) for one in runner.hooks):
            runner.register_hook(hook())
    if get_world_size() > 1:
        runner.register_hook(MeanLossHook())
    return runner


def compile_loss(model: nn.Module, options: Mapping | bool = True) -> None:
    """Compile a model's ``loss``, which is one graph.

    MMEngine compiles all of ``train_step``, the optimizer with it, which is
    compiled again when its state appears: twice the kernels.

    Args:
        model: Not wrapped.
        options: Arguments of ``torch.compile``; True for none.
    """
    if next(model.parameters()).device.type == 'cpu':
        warn(
            'Compiling is for GPUs: on a CPU hundreds of kernels are compiled '
            'as C++ before the first step ends, 5 minutes and more.'
        )
    arguments = options if isinstance(options, Mapping) else {}
    model.loss = torch.compile(model.loss, **arguments)


def start_training(runner: Runner) -> None:
    """Train, unless the samples make no batch, or one that cannot be used.

    Args:
        runner: From :func:`build_runner`.

    Raises:
        UsageError: If there are no training samples, fewer than a batch and
            incomplete batches are dropped (MMEngine would count epochs and
            save checkpoints of a model that no step has changed), or a batch
            of one cloud for a batch norm over clouds.
    """
    loader = runner.train_dataloader
    if not isinstance(loader.sampler, InfiniteSampler):
        _check_batches(loader, unwrapped(runner.model))
    listeners = [h for h in runner.hooks if isinstance(h, PreemptionHook)]
    for hook in listeners:
        hook.listen()
    try:
        runner.train()
    finally:
        # Also after an error the signal is the caller's again.
        for hook in listeners:
            hook.after_train(runner)


def _check_batches(loader: DataLoader, model: nn.Module) -> None:
    count, size = len(loader.sampler), loader.batch_size
    if count == 0:
        raise UsageError(
            'train_dataloader has no samples; check the data set of the config'
        )
    share = ' in each process' if get_world_size() > 1 else ''
    samples = f'{counted(count, "sample")}{share}'
    if len(loader) == 0:
        raise UsageError(
            f'nothing to train with: {samples} make no batch of {size} with '
            f'drop_last=True: set train_dataloader.batch_size<={count} or '
            'train_dataloader.drop_last=False'
        )
    alone = size == 1 or (count % size == 1 and not loader.drop_last)
    # The model of a FlexibleRunner is not built yet.
    if alone and isinstance(model, nn.Module) and _norms_over_clouds(model):
        raise UsageError(
            f'train_dataloader: {samples} in batches of {size} leave one '
            'cloud alone, over which the batch norm of the head cannot '
            'average: set train_dataloader.drop_last=True, or another '
            'batch_size'
        )


def _norms_over_clouds(model: nn.Module) -> bool:
    """Tell whether a head has batch norms that see one value of a cloud."""
    head = getattr(model, 'head', None)
    norms = [] if head is None else list(head.modules())
    decoder = getattr(model, 'decode_head', None)
    norms.append(getattr(decoder, 'category_norm', None))
    return any(isinstance(norm, nn.BatchNorm1d) for norm in norms)
