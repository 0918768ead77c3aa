"""Draw the pictures of docs/tasks.md: one example of each task, as its datamodule gives it.

    python -m docs.pictures.make        # writes docs/pictures/*.svg

Real images are not ours to pass on, so those shown are the embedded ones.
"""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from datamodules.contract import TEST, TRAIN, Batch
from datamodules.images.cifar import CifarDataModule, CifarLraDataModule
from datamodules.images.mnist import MnistDataModule
from datamodules.images.photographs import PHOTOGRAPHS
from datamodules.listops.expressions import END, OPERATORS, SYMBOLS, encode, evaluate
from datamodules.proteins.protein_files import LETTERS
from fpt_bench.training.tasks import find_task

FOLDER = Path(__file__).parent
MINUS, HIDDEN, PLUS, READ, INK = "#4477aa", "#e8e8e8", "#ee9944", "#228833", "#222222"


def first_example(task: str, **arguments: int) -> Batch:
    """Return the first test example of a task, as a batch of one."""
    return find_task(task)(**arguments).examples(TEST).batch(np.array([0]))


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a white figure, inches, with one empty drawing area of the same units."""
    figure, axes = plt.subplots(figsize=(width, height))
    axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    axes.axis("off")
    figure.subplots_adjust(0, 0, 1, 1)
    return figure, axes


def box(axes: Axes, x: float, y: float, size: float, colour: str, text: str = "", edge: str = "white") -> None:
    """Draw a square with its lower left corner at (x, y), and a text in it."""
    axes.add_patch(Rectangle((x, y), size, size, facecolor=colour, edgecolor=edge, linewidth=1))
    if text:
        axes.text(x + size / 2, y + size / 2, text, ha="center", va="center", fontsize=8, color=INK)


def note(axes: Axes, x: float, y: float, text: str, **style: object) -> None:
    """Write a line that starts at (x, y)."""
    axes.text(x, y, text, **{"fontsize": 9, "va": "center", "color": INK, **style})


def signs(value: float) -> tuple[str, str]:
    """Return colour and text of a bit: -1, 0 for hidden, +1."""
    return {-1: (MINUS, "0"), 0: (HIDDEN, "?"), 1: (PLUS, "1")}[int(value)]


def bit_memory() -> Figure:
    """Three patterns of 12 bits, 4 bits a token, then one of them with hidden bits; answer below."""
    sizes = {"patterns": 3, "pattern_bits": 12, "token_bits": 4}
    batch = first_example("bit-memory", **sizes, test_examples=8)
    tokens, labels = batch.inputs[0].numpy(), batch.labels[0].numpy().reshape(-1, sizes["token_bits"])
    figure, axes = canvas(8, 2.8)
    for place, token in enumerate(tokens):
        x = 0.3 + 0.52 * place + 0.25 * (place // len(labels))
        for row, value in enumerate(token):
            box(axes, x, 2.0 - 0.28 * row, 0.28, *signs(value))
        if place >= len(tokens) - len(labels):
            for row, bit in enumerate(labels[place - len(tokens)]):
                box(axes, x, 0.85 - 0.28 * row - 0.08, 0.28, *signs(2 * int(bit) - 1), edge=READ)
    for group, name in enumerate(["pattern 1", "pattern 2", "pattern 3", "question"]):
        note(axes, 0.3 + group * (0.52 * len(labels) + 0.25), 2.6, name)
    note(axes, 5.05, 0.4, "answer, read out at the\nlast 3 tokens", color=READ, ha="right")
    return figure


def bit_xor() -> Figure:
    """Two strings of 5 bits, a bit a token; the answer under the last five."""
    batch = first_example("bit-xor")
    figure, axes = canvas(6, 1.7)
    for place, value in enumerate(batch.inputs[0, :, 0].numpy()):
        box(axes, 0.3 + 0.45 * place + 0.3 * (place // 5), 0.95, 0.38, *signs(value))
    for place, bit in enumerate(batch.labels[0].numpy()):
        box(axes, 0.3 + 0.45 * (place + 5) + 0.3, 0.3, 0.38, *signs(2 * int(bit) - 1), edge=READ)
    note(axes, 0.3, 1.5, "first string")
    note(axes, 2.85, 1.5, "second string")
    note(axes, 2.7, 0.5, "bitwise exclusive or", color=READ, ha="right")
    return figure


def listops() -> Figure:
    """An expression token by token, raised by how deep it stands; the answer behind the last."""
    tree = encode("[MAX 2 9 [MIN 4 7 ] [SM 5 8 1 ] ]").tolist()
    figure, axes = canvas(8, 2.1)
    depth = 0
    for place, token in enumerate(tree):
        depth -= token == END
        colour = PLUS if token in OPERATORS.values() else HIDDEN if token == END else "#bbccee"
        box(axes, 0.3 + 0.48 * place, 0.75 + 0.3 * depth, 0.44, colour, SYMBOLS[token])
        depth += token in OPERATORS.values()
    note(axes, 0.3, 0.45, "one token a symbol; raised: nested")
    note(axes, 0.35 + 0.48 * len(tree), 0.97, f"→ {evaluate(tree)}", color=READ, fontsize=12)
    note(axes, 0.3 + 0.48 * len(tree), 0.45, "read at the last token", color=READ, ha="right")
    return figure


def show_image(axes: Axes, pixels: np.ndarray, x: float, y: float, size: float, patches: int) -> None:
    """Draw an image, (height, width, channels) uint8, with the grid of its patches."""
    shown = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    axes.imshow(shown, extent=(x, x + size, y, y + size), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    for step in range(patches + 1):
        place = step * size / patches
        axes.plot([x, x + size], [y + place] * 2, color="white", linewidth=0.5, alpha=0.7)
        axes.plot([x + place] * 2, [y, y + size], color="white", linewidth=0.5, alpha=0.7)


def patches(module: MnistDataModule | CifarDataModule, index: int, answer: str, say: str) -> Figure:
    """An image, its 8 x 8 patches, and the first of the row of tokens."""
    images = module.examples(TRAIN).images
    pixels = images.pixels[index]
    figure, axes = canvas(8, 2.6)
    limits = axes.get_xlim(), axes.get_ylim()
    show_image(axes, pixels, 0.3, 0.3, 2, 8)
    for place, number in enumerate([18, 19, 20, 21, 22, 23, 24, 25]):
        row, column = divmod(number, 8)
        patch = pixels[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        show_image(axes, patch, 2.9 + 0.52 * place, 1.2, 0.46, 1)
        note(axes, 2.9 + 0.52 * place + 0.23, 1.05, str(number + 1), fontsize=7, ha="center")
    note(axes, 2.9, 2.0, say)
    note(axes, 2.9, 0.6, f"→ {answer}, read at the last token", color=READ)
    axes.set(xlim=limits[0], ylim=limits[1])
    return figure


def mnist() -> Figure:
    module = MnistDataModule()
    index = 7
    answer = f"the digit {module.examples(TRAIN).images.labels[index]}"
    return patches(module, index, answer, "64 patches of 4 x 4 grey values; tokens 19 to 26")


def cifar() -> Figure:
    module = CifarDataModule()
    index = 1505
    name = list(PHOTOGRAPHS)[module.examples(TRAIN).images.labels[index]]
    return patches(module, index, f"the photograph ({name})", "64 patches of 4 x 4 colours; tokens 19 to 26")


def cifar_lra() -> Figure:
    """The same crop in grey, and its first pixels in a row."""
    module = CifarLraDataModule()
    images = module.examples(TRAIN).images
    pixels = images.pixels[1505]
    figure, axes = canvas(8, 2.6)
    limits = axes.get_xlim(), axes.get_ylim()
    show_image(axes, pixels, 0.3, 0.3, 2, 1)
    for place, value in enumerate(pixels[0, :24, 0]):
        box(axes, 2.9 + 0.19 * place, 1.25, 0.18, str(value / 255))
    note(axes, 2.9 + 0.19 * 24 + 0.05, 1.33, "...")
    note(axes, 2.9, 2.0, "1,024 grey values, each a token, row by row")
    note(axes, 2.9, 0.6, f"→ the photograph ({list(PHOTOGRAPHS)[images.labels[1505]]}), at the last token", color=READ)
    axes.set(xlim=limits[0], ylim=limits[1])
    return figure


def homology() -> Figure:
    """The first residues of an evolved protein, and which branch of the family tree each test set shows."""
    batch = first_example("homology")
    ids = batch.inputs[0].numpy()[:18]
    figure, axes = canvas(8, 3.0)
    for place, token in enumerate(ids):
        box(axes, 0.3 + 0.4 * place, 2.3, 0.36, plt.colormaps["Pastel1"](int(token) % 9), LETTERS[token - 1])
    note(axes, 0.35 + 0.4 * len(ids), 2.45, "...")
    note(axes, 0.3, 2.85, f"one token a residue ({int(batch.mask.sum())} in this one)")
    note(axes, 5.0, 2.05, f"→ fold {int(batch.labels[0, 0])} of 20, at the last residue", color=READ)
    rows = [("fold", "known: the class"), ("superfamily", "new in `test`"), ("family", "new in `test-superfamily`")]
    for level, (name, held) in enumerate([*rows, ("protein", "new in `test-family`")]):
        x, y = 0.3 + 0.45 * level, 1.6 - 0.42 * level
        axes.plot(
            [x + 0.1, x + 0.1, x + 0.45], [y - 0.1, y - 0.42, y - 0.42], color="#888888", lw=1 if level < 3 else 0
        )
        note(axes, x, y, name, weight="bold")
        note(axes, x + 1.4, y, held, fontsize=8)
    return figure


def idea() -> Figure:
    """What is frozen and what learns: a body between an input layer and a readout, one block opened."""
    figure, axes = canvas(8.6, 3.1)
    frozen, trained = "#dde3ea", "#ffd9a8"

    def part(x: float, y: float, width: float, height: float, text: str, colour: str) -> None:
        axes.add_patch(Rectangle((x, y), width, height, facecolor=colour, edgecolor=INK, linewidth=0.8))
        axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=9, color=INK)

    def arrow(x: float, to: float) -> None:
        axes.annotate("", (to, 1.6), (x, 1.6), arrowprops={"arrowstyle": "->", "color": INK})

    note(axes, 0.1, 1.75, "bits, digits,\nproteins ...")
    arrow(1.15, 1.4)
    part(1.4, 1.1, 0.9, 1.0, "input\nlayer", trained)
    arrow(2.3, 2.55)
    part(2.55, 1.1, 0.95, 1.0, "positions", trained)
    arrow(3.5, 3.75)
    axes.add_patch(Rectangle((3.75, 0.55), 3.0, 2.1, facecolor="white", edgecolor=INK, linestyle="--", linewidth=0.8))
    part(3.9, 1.1, 0.85, 1.0, "attention", frozen)
    part(4.8, 1.1, 0.45, 1.0, "norm", trained)
    part(5.3, 1.1, 0.85, 1.0, "feed-\nforward", frozen)
    part(6.2, 1.1, 0.45, 1.0, "norm", trained)
    note(axes, 5.25, 2.42, "a block of the body, several times", ha="center", fontsize=8)
    note(axes, 5.25, 0.78, "weights: of language, or random ...", ha="center", fontsize=8)
    arrow(6.75, 7.0)
    part(7.0, 1.1, 0.9, 1.0, "readout", trained)
    note(axes, 7.98, 1.6, "class")
    for place, (colour, text) in enumerate([(frozen, "frozen: over 99 % of the parameters"), (trained, "learns")]):
        part(1.4 + 3.1 * place, 0.1, 0.25, 0.22, "", colour)
        note(axes, 1.72 + 3.1 * place, 0.21, text)
    return figure


PICTURES = {
    "idea": idea, "bit-memory": bit_memory, "bit-xor": bit_xor, "listops": listops, "mnist": mnist, "cifar": cifar,
    "cifar-lra": cifar_lra, "homology": homology,
}  # fmt: skip


def main() -> None:
    """Write every picture."""
    # The same bytes each time: ids from a fixed salt, no date.
    matplotlib.rcParams.update({"svg.hashsalt": "fpt_bench", "svg.fonttype": "none", "font.family": "sans-serif"})
    for name, draw in PICTURES.items():
        figure = draw()
        figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None}, facecolor="white")
        plt.close(figure)


if __name__ == "__main__":
    main()
