"""Section 3 of `run.py`: peak memory against the length of the video."""

from benchmarks.memory import SMALL, lengths
from benchmarks.run_measure import NO_GPU, Goal, Row, Section, Settings

GROWTH_GOAL = Goal("at most", 5)  # per cent over the shortest video
SIZE = (192, 108)


def memory(settings: Settings) -> Section:
    """Segment videos of several lengths, each in a separate process."""
    on_gpu = settings.device.type == "cuda"
    model = settings.model if on_gpu else SMALL
    found = lengths(
        settings.sizes.lengths, size=SIZE, model=model, device=str(settings.device), threads=settings.threads
    )
    section = Section("memory", "Memory against length")
    kinds = {"resident": "main memory"} | ({"allocated": "GPU memory"} if on_gpu else {})
    for kind, label in kinds.items():
        first = found[0][kind]
        for run in found:
            section.rows.append(
                Row(
                    f"{label}, {run['frames']:,} frames",
                    run[kind] / 2**20,
                    "MiB",
                    f"{run['frames_per_second']:.0f} frames/s, {run['reader']}",
                    None,
                    run,
                )
            )
        growth = 100 * (max(run[kind] for run in found) / first - 1)
        longest = f"the most, over {found[0]['frames']:,} frames"
        section.rows.append(Row(f"{label}, growth", growth, "%", longest, GROWTH_GOAL))
    if not on_gpu:
        section.rows.append(Row("GPU memory, growth", None, "%", NO_GPU, GROWTH_GOAL))
    section.notes = [f"Clips of {SIZE[0]}x{SIZE[1]}, overlay out, the peak of the whole process, model {model}."]
    if model == SMALL:
        section.notes.append("The model is refvid-tiny in miniature, random: all around it is the same code.")
    return section
