"""Losses that train actor codes (`refvid.model.refvid.actors`) on the regions of a scene."""

import torch
from torch import Tensor
from torch.nn import functional as F

from refvid.model.layers.products import widen
from refvid.model.refvid.actors import attend

MIN_REGION = 0.25  # area in cells below which a region is ignored


def intersection_over_union(masks: Tensor, maps: Tensor) -> Tensor:
    """Return the IoU [B, E, R] of each mask with each region, given as shares of cells, [B, E, P] and [B, R, P]."""
    shared = torch.minimum(masks[:, :, None], maps[:, None]).sum(-1)
    union = masks.sum(-1)[..., None] + maps.sum(-1)[:, None] - shared
    return shared / union.clamp(min=1e-6)


def on_grid(maps: Tensor, features: Tensor) -> Tensor:
    """Average maps [B, N, H, W] over the cells of the grid of features [B, C, h, w], [B, N, h, w]."""
    size = features.shape[-2:]
    return maps if maps.shape[-2:] == size else F.adaptive_avg_pool2d(maps, (size[0], size[1]))


def actor_maps(maps: Tensor) -> Tensor:
    """Keep the regions that are actors, and empty all others: [B, R, h, w] to [B, R, P].

    Regions inside a larger one, such as garments, and regions smaller than `MIN_REGION` are no actors.
    """
    maps = maps.flatten(2)
    area = maps.sum(-1)
    shared = torch.minimum(maps[:, :, None], maps[:, None]).sum(-1)  # [B, R, R]
    within = (shared > 0.8 * area[..., None]) & (area[:, None] > area[..., None])
    return maps.masked_fill((within.any(-1) | (area < MIN_REGION))[..., None], 0.0)


def actor_loss(codes: Tensor, maps: Tensor) -> Tensor:
    """Return the divergence of each position's affinities from an even distribution over its own actor.

    It is averaged over the positions of each actor, and then over all actors; the background counts as one.

    Args:
        codes: Codes on the grid of the levels, [B, G, h, w].
        maps: Share of each cell that each region covers, [B, R, h, w].
    """
    maps = actor_maps(on_grid(maps, codes))
    groups = torch.cat([maps, (1 - maps.sum(1, keepdim=True)).clamp(min=0)], 1)
    area = groups.sum(-1, keepdim=True)
    even = groups / area.clamp(min=1e-6)
    with torch.autocast(codes.device.type, enabled=False):
        wide = widen(codes.flatten(2).mT)
        log_affinity = (2 * wide @ wide.mT - wide.square().sum(-1)[:, None]).log_softmax(-1)  # [B, P, P]
        spread = torch.einsum("brp,bpq->brq", even.to(wide.dtype), log_affinity)
        cross = -(spread * even).sum(-1)
    known = area[..., 0] > 0
    entropy = -(even * even.clamp(min=1e-9).log()).sum(-1)
    return (cross - entropy)[known].mean()


def edge_loss(coarse: Tensor, fine: Tensor, maps: Tensor, masks: Tensor) -> Tensor:
    """Return the mean of 1 - Dice coefficient between masks and the actors found by their fine codes.

    Only masks that cover exactly one actor are used.

    Args:
        coarse: Codes on the grid of the levels, [B, G, h, w].
        fine: Codes on the fine grid, [B, G, 2 h, 2 w].
        maps: Share of each cell that each region covers, [B, R, h, w].
        masks: Share of each pixel that the object of an expression covers, [B, E, H, W].
    """
    cells, truth = on_grid(masks, coarse).flatten(2), on_grid(masks, fine).flatten(2)
    actors = actor_maps(on_grid(maps, coarse))
    meant = intersection_over_union(cells, actors).amax(-1) > 0.8
    if not bool(meant.any()):
        return coarse.new_zeros(())
    found = attend(fine.flatten(2), coarse.flatten(2), cells)[meant]
    truth = truth[meant]
    return (1 - 2 * (found * truth).sum(-1) / (found.square().sum(-1) + truth.square().sum(-1))).mean()
