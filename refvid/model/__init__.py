"""The network of "Referring Segmentation in Images and Videos with Cross-Modal Self-Attention Network" (CMSA + CFSA).

    frames ── backbone ── c3 c4 c5 ── cross-frame ── v3 v4 v5 ── cross-modal ── f3 f4 f5 ── gated fusion ── logits
                            (a clip of 2 tau + 1 frames)             │
    expression ── words ── embedding ────────────────────────────────┘

The docstrings of this package use these letters for shapes:

    B  batch                       E  expressions that share the visual features of one sample
    T  frames of a clip            L  words of an expression (padded to the longest)
    C  channels of a feature map   A  channels of queries, keys and values
    D  channels of the multimodal feature: C + embedding + 8
    H W  size of the network's input in pixels
    h w  size of the feature grid (H / 8, W / 8);  P = h * w positions
"""
