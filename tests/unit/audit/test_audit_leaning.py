"""Which side of a condition is the GPU's, by its words."""

from __future__ import annotations

import ast

import pytest

from envtool.audit.leaning import leaning


@pytest.mark.parametrize(
    ("test", "side"),
    [
        ("args.gpu", 1),
        ("not args.gpu", -1),
        ("use_cuda and x", 1),
        ("x or y", 0),
        ("device == 'cuda'", 1),
        ("device != 'cuda'", -1),
        ("device.type in ('cuda', 'xpu')", 1),
        ("'cuda' in str(device)", 1),
        ("device == 'cpu'", -1),
        ("device == 'mps'", 0),
        ("args.cpu", -1),
        ("args.no_cuda", -1),
        ("not args.no_cuda", 1),
        ("low_cpu_mem", 0),
        ("local_rank == 0", 0),
        ("local_rank != -1", 1),
        ("local_rank == -1", -1),
        ("world_size > 1", 1),
        ("world_size == 1", -1),
        ("num_gpus == 0", -1),
        ("gpu is not None", 1),
        ("gpu is None", -1),
        ("device < 0", -1),
        ("backend == Backend.NCCL", 1),
        ("config['num_gpus'] != count", 0),
        ("launcher != 'none'", 0),
        ("args.world_size > 1", 1),
        ("device == torch.device('cuda')", 1),
        ("device == torch.device('cpu')", -1),
        ("self.is_vllm", 1),
        ("args.load_in_4bit", 1),
        ("lora_args.q_lora", 1),
        ("args.quant == 4", 1),
        ("use_dp", 1),
        ("pin_memory", 1),
        ("is_bnb_available()", 1),
        ("is_torch_available()", 0),
        ("is_mps_available()", 0),
        ("training", 0),
    ],
)
def test_leaning(test, side):
    assert leaning(ast.parse(test, mode="eval").body) == side
