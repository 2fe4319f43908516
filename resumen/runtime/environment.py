"""Environment variables: all that this code reads or sets, and those of its libraries that people need.

No stage depends on one, so DVC re-runs nothing for them. `make reference` writes the table into
docs/reference/environment.md, and a test looks for a variable that it lacks.
"""

ENVIRONMENT = {
    "Speed, place and memory": {
        "RESUMEN_THREADS": "CPU threads of a process; not set, its share of the cores. Equal bytes are "
        "promised on one machine at one thread count",
        "RESUMEN_DEVICE": "`cpu` or `cuda`; not set, a GPU if there is one",
        "RESUMEN_MEMORY_GB": "GiB that a process plans its batches with; not set, 5.75, and 12 on a GPU",
        "RESUMEN_LAUNCH": "options of `torchrun`, under which `finetune` and `generate` start themselves: "
        "`--nproc-per-node 2`",
        "RESUMEN_CHECKPOINT_SECONDS": "seconds between two checkpoints of `finetune`; not set, 300; 0 is "
        "every step",
    },
    "Messages": {
        "RESUMEN_DEBUG": "`1` shows the traceback behind an error",
        "LC_ALL": "the locale: where it begins with `es`, commands print their results in Spanish",
        "LC_MESSAGES": "the same, where `LC_ALL` is not set",
        "LANG": "the same, where neither is set",
        "NO_COLOR": "with any value, `resumen show` prints no colours",
    },
    "Tests": {
        "RESUMEN_FUZZ": "damaged files that each reader gets; not set, 50, and 400 of those that end early",
        "RESUMEN_KILLS": "kills of the slow test of killed runs; not set, 100",
    },
    "The hub": {
        "HF_HOME": "folder of downloads and of the token; not set, `~/.cache/huggingface`",
        "HF_TOKEN": "token for gated and private repositories, and to publish; `hf auth login` keeps one",
        "HF_ENDPOINT": "address of a mirror; not set, `https://huggingface.co`",
        "HF_HUB_OFFLINE": "`1` asks no network and takes what lies in `HF_HOME`",
        "HF_HUB_DOWNLOAD_TIMEOUT": "seconds that a download waits for an answer; not set, 10",
        "HF_HUB_ETAG_TIMEOUT": "seconds that a question about a file waits for an answer; not set, 10",
        "HF_HUB_DISABLE_XET": "`1` downloads over plain HTTPS",
        "HTTPS_PROXY": "the proxy of HTTPS; in small letters too, as the next three",
        "HTTP_PROXY": "the proxy of HTTP",
        "ALL_PROXY": "the proxy of both; a SOCKS proxy needs `pip install socksio`",
        "NO_PROXY": "hosts that are asked without a proxy",
    },
    "Threads and hardware": {
        "OMP_WAIT_POLICY": "how threads wait for one another. Not set, and other processes busy: `PASSIVE`",
        "GOMP_SPINCOUNT": "the same, of GNU's OpenMP; if it is set, nothing is changed",
        "KMP_BLOCKTIME": "the same, of Intel's OpenMP; if it is set, nothing is changed",
        "OMP_PROC_BIND": "pins threads to cores; then all cores of the machine count, as with the next two",
        "OMP_PLACES": "the cores that threads are pinned to",
        "GOMP_CPU_AFFINITY": "the same, of GNU's OpenMP",
        "OMP_NUM_THREADS": "set to 1 for `torchrun` alone, unless you set it: `RESUMEN_THREADS` counts here",
        "CUDA_VISIBLE_DEVICES": "the GPUs that may be used; of several processes each gets one of them",
        "CUBLAS_WORKSPACE_CONFIG": "set to `:4096:8`, unless you set it: on a GPU equal bytes need it",
        "ONEDNN_MAX_CPU_ISA": "the newest instructions that oneDNN may use; it may rule out bf16",
        "CXX": "the C++ compiler of `finetune.compile`; not set, `g++` or `clang++`",
    },
    "Set by torchrun": {
        "RANK": "number of the process, of all",
        "LOCAL_RANK": "number of the process, of those of its machine",
        "WORLD_SIZE": "how many processes there are",
        "LOCAL_WORLD_SIZE": "how many of them are on its machine",
    },
    "Set by DVC, make and the tools": {
        "DVC_STAGE": "DVC runs this stage: if DVC is killed, the stage ends too",
        "DVC_EXP_NAME": "the experiment that is run: an error says the way back to the last commit",
        "DVC_ROOT": "the main repository, whose `.resumen/` experiments in folders of their own use",
        "DVC_NO_ANALYTICS": "`1` by make: DVC sends no statistics",
        "GRADIO_ANALYTICS_ENABLED": "`False` by `resumen playground`: Gradio sends no statistics",
    },
}
