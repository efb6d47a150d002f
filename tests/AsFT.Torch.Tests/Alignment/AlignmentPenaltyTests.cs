using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Training;
using CsCheck;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Alignment;

public sealed class AlignmentPenaltyTests : IDisposable
{
    private const double Tolerance = 1e-9;

    private readonly DisposeScope _scope = NewDisposeScope();

    private static readonly Gen<(int OutFeatures, int InFeatures, int Rank, int Seed)> Shapes =
        Gen.Select(Gen.Int[4, 40], Gen.Int[2, 24], Gen.Int[1, 4], Gen.Int[0, 1 << 20], (d, n, r, seed) => (d, n, r, seed));

    public static TheoryData<AlignmentProjection> Projections { get; } = new(Enum.GetValues<AlignmentProjection>());

    public void Dispose() => _scope.Dispose();

    [Theory]
    [MemberData(nameof(Projections))]
    public void Value_and_gradients_are_those_of_the_dense_formula(AlignmentProjection projection) =>
        Shapes.Sample(shape =>
        {
            using var scope = NewDisposeScope();
            var generator = new Generator((ulong)shape.Seed);
            var includeScale = shape.Seed % 2 == 0;
            var rank = 1 + shape.Seed % Math.Min(shape.InFeatures, shape.OutFeatures - 1);
            // Two layers of one shape and one of another, so that stacks and their sum are covered.
            LoraLayer[] layers =
            [
                TestLayers.Random("a", shape.OutFeatures, shape.InFeatures, shape.Rank, 0.5, generator: generator),
                TestLayers.Random("b", shape.OutFeatures + 1, shape.InFeatures, shape.Rank, 2, generator: generator),
                TestLayers.Random("c", shape.OutFeatures, shape.InFeatures, shape.Rank, 0.5, generator: generator),
            ];
            var matrices = layers.ToDictionary(layer => layer.Name, layer => Matrix(layer, generator));
            using var direction = AlignmentDirection.FromTensors(matrices);
            using var penalty = new AlignmentPenalty(direction, layers, new() { Projection = projection, SubspaceRank = rank, GuardPower = rank % 4 + 1, IncludeLoraScale = includeScale });

            var value = penalty.AccumulateGradients(0.7);

            var expected = zeros([], ScalarType.Float64);
            foreach (var layer in layers)
            {
                var (a, b) = (layer.A.detach().clone().requires_grad_(), layer.B.detach().clone().requires_grad_());
                var dense = Dense(projection, matrices[layer.Name], b.mm(a) * (includeScale ? layer.Scale : 1), rank);
                (0.7 * dense).backward();
                expected += dense.detach();
                Assert.InRange(TestLayers.RelativeError(layer.A.grad!, a.grad!), 0, Tolerance);
                Assert.InRange(TestLayers.RelativeError(layer.B.grad!, b.grad!), 0, Tolerance);
            }
            Assert.InRange(TestLayers.RelativeError(value, expected), 0, Tolerance);
            Assert.False(value.requires_grad);
        }, iter: 60, threads: 1);

    [Theory]
    [MemberData(nameof(Projections))]
    public void Gradients_are_finite_differences(AlignmentProjection projection)
    {
        var generator = new Generator(3);
        var layer = TestLayers.Random("a", 7, 5, 2, generator: generator);
        using var direction = Direction(layer, generator);
        using var penalty = new AlignmentPenalty(direction, [layer], new() { Projection = projection, SubspaceRank = 2 });
        penalty.AccumulateGradients(1);
        foreach (var parameter in new[] { layer.A, layer.B })
        {
            var step = randn(parameter.shape, ScalarType.Float64, generator: generator);
            double At(double distance)
            {
                using var _ = no_grad();
                parameter.add_(step, alpha: distance);
                var value = penalty.Evaluate().item<double>();
                parameter.add_(step, alpha: -distance);
                return value;
            }
            var difference = (At(1e-5) - At(-1e-5)) / 2e-5;
            Assert.Equal(difference, (parameter.grad! * step).sum().item<double>(), 1e-5 * Math.Abs(difference));
        }
    }

    [Fact]
    public void An_update_inside_the_subspace_costs_nothing_and_is_wholly_anchored()
    {
        var generator = new Generator(5);
        var matrix = randn(12, 9, ScalarType.Float64, generator: generator);
        var basis = linalg.svd(matrix, fullMatrices: false).U.narrow(1, 0, 4);
        var inside = TestLayers.Create("a", randn(3, 9, ScalarType.Float64, generator: generator), basis.mm(randn(4, 3, ScalarType.Float64, generator: generator)));
        var outside = randn(12, 3, ScalarType.Float64, generator: generator);
        var orthogonal = TestLayers.Create("a", inside.A, outside - basis.mm(basis.t().mm(outside)));
        using var direction = AlignmentDirection.FromTensors(new Dictionary<string, Tensor> { ["a"] = matrix });
        var options = new AlignmentPenaltyOptions { Projection = AlignmentProjection.Subspace, SubspaceRank = 4 };
        using var penalty = new AlignmentPenalty(direction, [inside], options);
        using var opposite = new AlignmentPenalty(direction, [orthogonal], options);

        Assert.InRange(penalty.Evaluate().item<double>(), 0, 1e-20);
        Assert.Equal(1, penalty.AnchoredShare().item<double>(), 1e-12);
        Assert.Equal(orthogonal.B.mm(orthogonal.A).square().sum().item<double>(), opposite.Evaluate().item<double>(), 1e-9);
        Assert.Equal(0, opposite.AnchoredShare().item<double>(), 1e-12);
    }

    [Theory]
    [InlineData(12, 9)]
    [InlineData(30, 4)]
    public void Guard_holds_what_alignment_wrote_and_nothing_else(long outFeatures, long inFeatures)
    {
        var generator = new Generator(6);
        // Of rank 3, so that most outputs were never written.
        var matrix = randn(outFeatures, 3, ScalarType.Float64, generator: generator).mm(randn(3, inFeatures, ScalarType.Float64, generator: generator));
        var written = linalg.svd(matrix, fullMatrices: false).U.narrow(1, 0, 3);
        var b = randn(outFeatures, 2, ScalarType.Float64, generator: generator);
        var a = randn(2, inFeatures, ScalarType.Float64, generator: generator);
        double Of(Tensor left, Tensor direction)
        {
            using var built = AlignmentDirection.FromTensors(new Dictionary<string, Tensor> { ["a"] = direction });
            using var penalty = new AlignmentPenalty(built, [TestLayers.Create("a", a, left)], new() { Projection = AlignmentProjection.Guard });
            return penalty.Evaluate().item<double>();
        }
        Assert.InRange(Of(b - written.mm(written.t().mm(b)), matrix), 0, 1e-9);
        Assert.Equal(Of(b, matrix), Of(b, matrix * -1000), 1e-9 * Of(b, matrix));
        Assert.Equal(Of(b, matrix), Of(written.mm(written.t().mm(b)), matrix), 1e-9 * Of(b, matrix));
        // Where alignment wrote to every output alike, it is the isotropic penalty.
        var even = linalg.svd(randn(inFeatures, inFeatures, ScalarType.Float64, generator: generator)).U;
        using var isotropic = new AlignmentPenalty(null, [TestLayers.Create("a", a, b.narrow(0, 0, inFeatures))], new() { Projection = AlignmentProjection.None });
        Assert.Equal(isotropic.Evaluate().item<double>(), Of(b.narrow(0, 0, inFeatures), even), 1e-9);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void An_update_along_the_direction_costs_nothing_when_flattened(ScalarType dtype)
    {
        for (ulong seed = 0; seed < 20; seed++)
        {
            // Rounding takes about half of these below zero before the clamp.
            var layer = TestLayers.Random("a", 10, 8, 2, dtype: dtype, generator: new Generator(seed));
            using var direction = AlignmentDirection.FromTensors(new Dictionary<string, Tensor> { ["a"] = layer.B.mm(layer.A) * -3 });
            using var penalty = new AlignmentPenalty(direction, [layer], new() { Projection = AlignmentProjection.Flattened });
            var size = layer.B.mm(layer.A).square().sum().to(ScalarType.Float64).item<double>();
            var value = penalty.Evaluate().to(ScalarType.Float64).item<double>();
            Assert.InRange(value / size, 0, dtype == ScalarType.Float64 ? 1e-14 : 1e-5);
            Assert.InRange(penalty.AnchoredShare().to(ScalarType.Float64).item<double>(), 1 - 1e-5, 1);
        }
    }

    [Theory]
    [MemberData(nameof(Projections))]
    public void The_anchored_share_lies_between_0_and_1_and_is_0_for_no_update(AlignmentProjection projection) =>
        Shapes.Sample(shape =>
        {
            using var scope = NewDisposeScope();
            var generator = new Generator((ulong)shape.Seed);
            var layer = TestLayers.Random("a", shape.OutFeatures, shape.InFeatures, shape.Rank, 4, ScalarType.Float32, generator);
            using var direction = Direction(layer, generator);
            using var penalty = new AlignmentPenalty(direction, [layer], new() { Projection = projection, SubspaceRank = 1 });
            Assert.InRange(penalty.AnchoredShare().item<float>(), 0, 1);
            Assert.True(penalty.Evaluate().item<float>() >= 0);
            using (no_grad()) layer.B.zero_();
            Assert.Equal(0, penalty.AnchoredShare().item<float>());
            Assert.Equal(0, penalty.AccumulateGradients(1).item<float>());
        }, iter: 25, threads: 1);

    [Fact]
    public void The_reference_share_is_that_of_the_vectors_which_hold_the_energy()
    {
        var generator = new Generator(7);
        var layer = TestLayers.Random("a", 14, 6, 3, generator: generator);
        using var direction = Direction(layer, generator);
        using var penalty = new AlignmentPenalty(direction, [layer], new() { SubspaceEnergy = 0.6 });
        var (u, s, _) = linalg.svd(direction.Find("a")!.to(ScalarType.Float64), fullMatrices: false);
        var energy = (s.square().cumsum(0) / s.square().sum()).data<double>().ToArray();
        var basis = u.narrow(1, 0, energy.TakeWhile(held => held < 0.6).Count() + 1);
        var update = layer.B.mm(layer.A);
        Assert.Equal((basis.t().mm(update).square().sum() / update.square().sum()).item<double>(), penalty.AnchoredShare().item<double>(), Tolerance);
    }

    [Fact]
    public void The_isotropic_penalty_has_no_anchored_share_without_a_direction()
    {
        using var penalty = new AlignmentPenalty(null, [TestLayers.Random("a", 5, 5, 2)], new() { Projection = AlignmentProjection.None });
        Assert.Equal(0, penalty.AnchoredShare().item<double>());
    }

    [Theory]
    [MemberData(nameof(Projections))]
    public void Layers_in_one_flat_buffer_give_what_separate_layers_give(AlignmentProjection projection)
    {
        LoraLayer[] Layers() => [.. Enumerable.Range(0, 6).Select(i => TestLayers.Random($"l{i}", i % 2 == 0 ? 12 : 30, 9, 3, generator: new Generator((ulong)i)))];
        var (flat, separate) = (Layers(), Layers());
        using var direction = AlignmentDirection.FromTensors(flat.ToDictionary(layer => layer.Name, layer => Matrix(layer, new Generator(11))));
        var options = new AlignmentPenaltyOptions { Projection = projection, SubspaceRank = 2 };
        using var parameters = new FlatParameters(LoraLayer.Stacks(flat).SelectMany(stack => stack.Select(layer => layer.A).Concat(stack.Select(layer => layer.B))));
        using var together = new AlignmentPenalty(direction, flat, options);
        Assert.Equal([3, 12, 3], parameters.SideBySide([flat[0].B, flat[2].B, flat[4].B])!.Value.Gradients.shape);
        Assert.Null(parameters.SideBySide([flat[0].B, flat[4].B, flat[2].B]));
        Assert.Null(parameters.SideBySide([flat[0].A, flat[1].A]));

        parameters.Gradients.fill_(0.25);
        var value = together.AccumulateGradients(1, parameters.SideBySide).item<double>();
        // Without being told, each for itself.
        Assert.Equal(value, together.AccumulateGradients(1).item<double>());

        var sum = 0.0;
        foreach (var layer in separate)
        {
            using var alone = new AlignmentPenalty(direction, [layer], options);
            sum += alone.AccumulateGradients(2).item<double>();
        }
        Assert.Equal(sum, value, Tolerance * sum);
        for (var i = 0; i < flat.Length; i++)
        {
            Assert.InRange(TestLayers.RelativeError(flat[i].A.grad! - 0.25, separate[i].A.grad!), 0, Tolerance);
            Assert.InRange(TestLayers.RelativeError(flat[i].B.grad! - 0.25, separate[i].B.grad!), 0, Tolerance);
        }
    }

    [Fact]
    public void A_storage_format_of_bfloat16_costs_three_digits_at_most()
    {
        foreach (var projection in Enum.GetValues<AlignmentProjection>())
        {
            var layer = TestLayers.Random("a", 40, 16, 4, dtype: ScalarType.Float32, generator: new Generator(1));
            using var direction = Direction(layer, new Generator(2));
            var options = new AlignmentPenaltyOptions { Projection = projection, SubspaceRank = 5 };
            using var exact = new AlignmentPenalty(direction, [layer], options);
            using var rounded = new AlignmentPenalty(direction, [layer], options with { StorageDType = ScalarType.BFloat16 });
            Assert.InRange(TestLayers.RelativeError(rounded.AccumulateGradients(1), exact.Evaluate()), 0, 0.01);
            Assert.Equal(ScalarType.Float32, rounded.Evaluate().dtype);
        }
    }

    private static Tensor Matrix(LoraLayer layer, Generator generator) => randn(layer.B.shape[0], layer.A.shape[1], ScalarType.Float64, generator: generator);

    private static AlignmentDirection Direction(LoraLayer layer, Generator generator) =>
        AlignmentDirection.FromTensors(new Dictionary<string, Tensor> { [layer.Name] = Matrix(layer, generator) });

    private static Tensor Dense(AlignmentProjection projection, Tensor d, Tensor update, int rank)
    {
        if (projection == AlignmentProjection.Flattened) return (update - (update * d).sum() / d.square().sum() * d).square().sum();
        if (projection == AlignmentProjection.Guard)
        {
            var metric = Enumerable.Repeat(d.mm(d.t()), rank % 4 + 1).Aggregate((x, y) => x.mm(y));
            return (metric.mm(update) * update).sum() * d.shape[0] / metric.diagonal().sum();
        }
        var u = linalg.svd(d, fullMatrices: false).U.narrow(1, 0, rank);
        var c = projection switch
        {
            AlignmentProjection.Reference => d.mm(d.t()) / d.norm(),
            AlignmentProjection.Subspace => u.mm(u.t()),
            _ => zeros(d.shape[0], d.shape[0], d.dtype),
        };
        return (eye(d.shape[0], dtype: d.dtype) - c).mm(update).square().sum();
    }
}
