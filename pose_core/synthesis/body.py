"""Shapes and poses the body model, batched in torch.

World z up, metres; the body faces -y in the rest pose. P points are V vertices and then the 20
pivots about which the segments turn.
"""

from functools import cached_property

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

from pose_core.synthesis.body_pack import BodyPack, load_body_pack
from pose_core.synthesis.segments import INDEX, PARENTS, SEGMENTS


class Body:
    """The body model on one device.

    Parameters
    ----------
    pack : BodyPack, optional
        The shipped one by default.
    device : torch.device or str
    dtype : torch.dtype
        Floating point type of all that is computed.
    """

    def __init__(
        self,
        pack: BodyPack | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        pack = pack or load_body_pack()
        self.num_vertices = pack.num_vertices
        self.device, self.dtype = torch.device(device), dtype

        def real(array: object) -> Tensor:
            return torch.as_tensor(array).to(self.device, dtype)

        self.template, self.basis = real(pack.template), real(pack.basis)
        self.shapes, self.wardrobe = real(pack.shapes), real(pack.wardrobe)
        self.faces = torch.as_tensor(pack.faces).to(self.device)
        self.face_kinds = torch.as_tensor(pack.face_kinds).to(self.device)
        self.skin = real(torch.zeros(len(pack.template), len(SEGMENTS)))
        self.skin.scatter_(
            1, torch.as_tensor(pack.skin_segments).to(self.device), real(pack.skin_weights)
        )
        self.vertex_segments = self.skin[: self.num_vertices].argmax(dim=1)
        self.face_segments = self.vertex_segments[self.faces[:, 0]]
        self._regressor = real(torch.zeros(17, len(pack.template)))
        self._regressor[pack.joint_rows, pack.joint_points] = real(pack.joint_weights)

    def sample_shapes(self, batch: int, generator: Generator) -> Tensor:
        """Shape coefficients (B, K) of adults drawn at random."""
        pick = torch.randint(len(self.shapes), (batch,), generator=generator)
        return self.shapes[pick.to(self.device)]

    def rest(self, shape: Tensor) -> Tensor:
        """Points (B, P, 3) in the rest pose for shape coefficients (B, K)."""
        return self.template + (shape @ self.basis.flatten(1)).unflatten(1, (-1, 3))

    def pivots(self, points: Tensor) -> Tensor:
        """(B, 20, 3): where the segments turn, of points (B, P, 3)."""
        return points[:, self.num_vertices :]

    def joints(self, points: Tensor) -> Tensor:
        """Joints (B, 17, 3) of Human3.6M-17 of points (B, P, 3), rest or posed."""
        return self._regressor @ points

    def transforms(self, rest: Tensor, rotations: Tensor, root: Tensor) -> Tensor:
        """Rigid motion of each segment from rest to pose.

        Parameters
        ----------
        rest : (B, P, 3) Tensor
        rotations : (B, 20, 3, 3) Tensor
            World rotation of each segment away from the rest pose.
        root : (B, 3) Tensor
            World position of the middle of the hips, metres.

        Returns
        -------
        (B, 20, 3, 4) Tensor
            ``posed = [R | t] @ [rest, 1]``.
        """
        pivots = self.pivots(rest)
        hips = pivots[:, [INDEX["left_thigh"], INDEX["right_thigh"]]].mean(dim=1)
        shifts: list[Tensor] = []
        for segment, parent in enumerate(PARENTS):
            turned = (rotations[:, segment] @ pivots[:, segment, :, None])[..., 0]
            if parent < 0:
                shifts.append(root - (rotations[:, segment] @ hips[..., None])[..., 0])
            else:
                place = rotations[:, parent] @ pivots[:, segment, :, None]
                shifts.append(place[..., 0] + shifts[parent] - turned)
        return torch.cat([rotations, torch.stack(shifts, dim=1)[..., None]], dim=-1)

    def blend(self, transforms: Tensor) -> Tensor:
        """Motion (B, P, 3, 4) of each point, mixed of its segments (linear blend skinning)."""
        return (self.skin @ transforms.flatten(2)).unflatten(2, (3, 4))

    def rest_normals(self, shape: Tensor) -> Tensor:
        """Unit normals (B, V, 3) of the rest pose, linear in the shape coefficients (B, K).

        Normals are for shading only: they are exact for the mean body and within a few degrees
        for the others, at a fraction of the cost of summing over all faces.
        """
        mean, change = self._normal_basis
        return normalize(mean + (shape @ change.flatten(1)).unflatten(1, (-1, 3)), dim=-1)

    @cached_property
    def _normal_basis(self) -> tuple[Tensor, Tensor]:
        """Area-weighted normals (V, 3) of the mean body, and their change per coefficient."""
        mean = self._summed_normals(self.template)
        change = [self._summed_normals(self.template + part) - mean for part in self.basis]
        return mean, torch.stack(change)

    def _summed_normals(self, points: Tensor) -> Tensor:
        a, b, c = (points[self.faces[:, corner]] for corner in range(3))
        across = torch.linalg.cross(b - a, c - a)
        out = torch.zeros_like(points[: self.num_vertices])
        for corner in range(3):
            out.index_add_(0, self.faces[:, corner], across)
        return out


def apply_blend(blend: Tensor, points: Tensor) -> Tensor:
    """Points (B, P, 3) moved by (B, P, 3, 4) motions."""
    return turn_by_blend(blend, points) + blend[..., 3]


def turn_by_blend(blend: Tensor, directions: Tensor) -> Tensor:
    """Directions (B, P, 3) turned by (B, P, 3, 4) motions."""
    return (blend[..., :3] @ directions[..., None])[..., 0]
