using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Alignment;

public sealed class SpectrumTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Theory]
    [InlineData(900, 700, 0.7, 60)]
    [InlineData(600, 1100, 0.5, 48)]
    [InlineData(600, 600, 0.0, 32)]
    public void Found_by_iteration_they_are_the_leading_ones(int rows, int columns, double decay, int count)
    {
        var (matrix, values, left) = Matrix(rows, columns, decay);
        using var spectrum = Spectrum.Of(new LayerDirection(matrix.clone()), new(count), CPU);

        Assert.Equal([rows, count], spectrum.Vectors.shape);
        Assert.InRange(OffOrthonormal(spectrum.Vectors), 0, 1e-5);
        var all = values.Sum(value => value * value);
        Assert.Equal(Math.Sqrt(all), spectrum.Norm, 1e-4 * spectrum.Norm);
        // What they hold is what the best ones would, and one by one they are these where values differ.
        Assert.InRange(spectrum.Energy() / (values.Take(count).Sum(value => value * value) / all), 0.995, 1 + 1e-5);
        for (var i = 0; i < count; i++) Assert.InRange(spectrum.Values[i] / values[i], decay > 0 ? 0.995 : 0.98, 1 + 1e-5);
        Assert.InRange(spectrum.Next / values[count], 0.98, 1 + 1e-5);
        if (decay > 0) Assert.InRange((left.narrow(1, 0, 8).t().mm(spectrum.Vectors.narrow(1, 0, 8)).abs() - eye(8)).abs().max().item<float>(), 0, 1e-3);
    }

    [Theory]
    [InlineData(900, 700)]
    [InlineData(40, 60)]
    [InlineData(60, 40)]
    public void Traces_are_those_of_all_values_at_every_rank(int rows, int columns)
    {
        var (matrix, values, _) = Matrix(rows, columns, 0.6);
        var all = values.Sum(value => value * value);
        foreach (var rank in new[] { new SpectrumRank(3), new(20), new(null, 0.5), SpectrumRank.All })
        {
            using var spectrum = Spectrum.Of(new LayerDirection(matrix.clone()), rank, CPU);
            for (var q = 1; q <= Spectrum.Powers; q++)
                Assert.Equal(1, spectrum.Traces[q - 1] / values.Sum(value => Math.Pow(value * value / all, q)), 1e-5);
        }
    }

    [Fact]
    public void A_share_of_the_energy_takes_the_fewest_vectors_that_hold_it()
    {
        var (matrix, values, _) = Matrix(700, 640, 0.8);
        var all = values.Sum(value => value * value);
        foreach (var share in new[] { 0.5, 0.9, 0.99 })
        {
            using var spectrum = Spectrum.Of(new LayerDirection(matrix.clone()), new(null, share), CPU);
            var fewest = values.Select((_, i) => i + 1).First(k => values.Take(k).Sum(value => value * value) >= share * all);
            Assert.InRange(spectrum.Values.Length, fewest, fewest + 2);
            Assert.InRange(spectrum.Energy(), share, 1);
        }
    }

    [Fact]
    public void The_same_direction_has_the_same_bits()
    {
        var matrix = randn(640, 600, generator: new Generator(3));
        using var first = Spectrum.Of(new LayerDirection(matrix.clone()), new(16), CPU);
        using var second = Spectrum.Of(new LayerDirection(matrix.clone()), new(16), CPU);
        Assert.True(first.Vectors.equal(second.Vectors).all().item<bool>());
        Assert.Equal(first.Values, second.Values);
    }

    [Theory]
    [InlineData(1e-25f)]
    [InlineData(1e15f)]
    public void A_direction_of_any_size_has_its_spectrum(float size)
    {
        var (matrix, values, _) = Matrix(600, 560, 0.7);
        using var spectrum = Spectrum.Of(new LayerDirection(matrix * size), new(8), CPU);
        using var same = Spectrum.Of(new LayerDirection(matrix.clone()), new(8), CPU);
        for (var i = 0; i < 8; i++) Assert.Equal(values[i], spectrum.Values[i] / size, 1e-3 * values[i]);
        for (var q = 0; q < Spectrum.Powers; q++) Assert.Equal(1, spectrum.Traces[q] / same.Traces[q], 1e-4);
    }

    [Theory]
    [InlineData(AlignmentProjection.Reference, 2)]
    [InlineData(AlignmentProjection.Guard, 1)]
    [InlineData(AlignmentProjection.Guard, 2)]
    [InlineData(AlignmentProjection.Guard, 4)]
    public void What_is_left_out_changes_a_penalty_by_no_more_than_is_told(AlignmentProjection projection, int power)
    {
        var (matrix, _, left) = Matrix(120, 90, 0.4);
        using var direction = Of(matrix.to(ScalarType.Float64) * 3);
        var generator = new Generator(5);
        for (var i = 0; i < 5; i++)
        {
            // Updates that are random, and one that lies wholly in what is left out, where most is lost.
            var b = i == 0 ? left.narrow(1, 10, 2).to(ScalarType.Float64) : randn(120, 2, ScalarType.Float64, generator: generator);
            var layer = TestLayers.Create("a", randn(2, 90, ScalarType.Float64, generator: generator), b);
            var options = new AlignmentPenaltyOptions { Projection = projection, GuardPower = power };
            using var exact = new AlignmentPenalty(direction, [layer], options);
            using var truncated = new AlignmentPenalty(direction, [layer], options with { SpectrumRank = "10" });
            var size = layer.B.mm(layer.A).square().sum().item<double>();
            var difference = Math.Abs(truncated.Evaluate().item<double>() - exact.Evaluate().item<double>());
            Assert.Equal(0, exact.LeftOut);
            Assert.InRange(difference, 0, truncated.LeftOut * size * (1 + 1e-9));
            // No empty promise either: the worst update comes near it.
            if (i == 0) Assert.InRange(difference, 0.3 * truncated.LeftOut * size, double.MaxValue);
        }
    }

    [Theory]
    [InlineData("10")]
    [InlineData("40")]
    [InlineData("0.7")]
    public void Guard_weighs_what_it_holds_alike_at_every_rank(string rank)
    {
        var (matrix, _, left) = Matrix(120, 90, 0.5);
        using var direction = Of(matrix);
        var layer = TestLayers.Create("a", randn(2, 90), left.narrow(1, 0, 8).mm(randn(8, 2)));
        double Of2(string kept)
        {
            using var penalty = new AlignmentPenalty(direction, [layer], new() { Projection = AlignmentProjection.Guard, SpectrumRank = kept });
            return penalty.Evaluate().item<float>();
        }
        Assert.Equal(1, Of2(rank) / Of2("all"), 1e-4);
    }

    [Fact]
    public void A_subspace_is_cut_from_what_is_kept()
    {
        var (matrix, values, _) = Matrix(60, 50, 0.3);
        using var direction = Of(matrix.to(ScalarType.Float64));
        var layer = TestLayers.Random("a", 60, 50, 2);
        AlignmentPenalty Subspace(string kept, int? rank = null, double energy = 0.9) =>
            new(direction, [layer], new() { Projection = AlignmentProjection.Subspace, SpectrumRank = kept, SubspaceRank = rank, SubspaceEnergy = energy });

        using var cut = Subspace("20", rank: 7);
        using var whole = Subspace("all", rank: 7);
        Assert.Equal(whole.Evaluate().item<double>(), cut.Evaluate().item<double>(), 1e-9);
        Assert.Equal(whole.AnchoredShare().item<double>(), cut.AnchoredShare().item<double>(), 1e-9);
        Assert.Equal(values.Take(7).Sum(v => v * v) / values.Sum(v => v * v), cut.AnchoredEnergy, 1e-6);
        var error = Assert.Throws<InvalidOperationException>(() => Subspace("5"));
        Assert.Contains("SubspaceEnergy is 0.9", error.Message, StringComparison.Ordinal);
        Assert.Contains("the 5 vectors that are kept of 'a' hold 0.", error.Message, StringComparison.Ordinal);
        Assert.Contains("SubspaceRank is 7; the spectrum of 'a' keeps 5", Assert.Throws<InvalidOperationException>(() => Subspace("5", rank: 7)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_anchored_share_is_over_what_is_kept_and_tells_what_that_holds()
    {
        var (matrix, values, left) = Matrix(60, 50, 0.2);
        using var direction = Of(matrix.to(ScalarType.Float64));
        var layer = TestLayers.Create("a", randn(2, 50, ScalarType.Float64), left.narrow(1, 0, 4).to(ScalarType.Float64).mm(randn(4, 2, ScalarType.Float64)));
        using var penalty = new AlignmentPenalty(direction, [layer], new() { SpectrumRank = "4" });
        Assert.Equal(1, penalty.AnchoredShare().item<double>(), 1e-5);
        Assert.Equal(values.Take(4).Sum(v => v * v) / values.Sum(v => v * v), penalty.AnchoredEnergy, 1e-5);
        using var wide = new AlignmentPenalty(direction, [layer], new() { SubspaceEnergy = 0.6 });
        Assert.InRange(wide.AnchoredEnergy, 0.6, 0.65);
        Assert.Contains("4 vectors a layer (Float64)", penalty.SpectrumReport, StringComparison.Ordinal);
        Assert.Contains("by at most", penalty.SpectrumReport, StringComparison.Ordinal);
    }

    [Fact]
    public void A_penalty_does_not_need_its_direction_any_more()
    {
        var layer = TestLayers.Random("a", 12, 9, 2);
        var direction = Of(randn(12, 9));
        using var penalty = new AlignmentPenalty(direction, [layer]);
        direction.Dispose();
        Assert.True(penalty.Evaluate().item<double>() > 0 && penalty.AnchoredShare().item<double>() > 0);
        Assert.Throws<ObjectDisposedException>(() => new AlignmentPenalty(direction, [layer]));
    }

    [Fact]
    public void Making_one_can_be_watched_and_cancelled()
    {
        LoraLayer[] layers = [TestLayers.Random("a", 6, 5, 2), TestLayers.Random("b", 6, 5, 2)];
        using var direction = AlignmentDirection.FromTensors(layers.ToDictionary(layer => layer.Name, _ => randn(6, 5)));
        var seen = new List<AlignmentDirectionProgress>();
        using var penalty = new AlignmentPenalty(direction, layers, progress: new Recorder(seen));
        Assert.Equal([new(1, 2, "a"), new(2, 2, "b")], seen);
        Assert.Throws<OperationCanceledException>(() => new AlignmentPenalty(direction, layers, cancellationToken: new(canceled: true)));
    }

    [Theory]
    [InlineData("auto", 800, 800, 800)]
    [InlineData("auto", 1024, 4096, 1024)]
    [InlineData("auto", 4096, 4096, 256)]
    [InlineData("auto", 4096, 100, 100)]
    [InlineData("all", 4096, 4096, 4096)]
    [InlineData("64", 4096, 4096, 64)]
    [InlineData("64", 32, 4096, 32)]
    [InlineData("0.25", 4096, 1000, 250)]
    public void A_rank_is_a_word_a_number_or_a_share(string text, long rows, long columns, long most)
    {
        var rank = SpectrumRank.Parse(text, "option");
        Assert.Equal(most, rank.Most(rows, Math.Min(rows, columns)));
        Assert.Equal(text, rank.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("-3")]
    [InlineData("1.5")]
    [InlineData("1.0")]
    [InlineData("many")]
    [InlineData("NaN")]
    public void Other_ranks_are_refused_by_name(string text)
    {
        var layer = TestLayers.Random("a", 6, 4, 2);
        using var direction = Of(randn(6, 4));
        var error = Assert.Throws<ArgumentException>(() => new AlignmentPenalty(direction, [layer], new() { SpectrumRank = text }));
        Assert.Contains($"SpectrumRank is '{text}'", error.Message, StringComparison.Ordinal);
    }

    private static AlignmentDirection Of(Tensor matrix) => AlignmentDirection.FromTensors(new Dictionary<string, Tensor> { ["a"] = matrix });

    // D = U·diag((1 + i)^−decay)·Vᵀ, (rows × columns).
    private static (Tensor Matrix, double[] Values, Tensor Left) Matrix(int rows, int columns, double decay)
    {
        var generator = new Generator(1);
        var smaller = Math.Min(rows, columns);
        double[] values = [.. Enumerable.Range(0, smaller).Select(i => Math.Pow(1 + i, -decay))];
        var left = linalg.qr(randn(rows, smaller, generator: generator)).Q;
        var right = linalg.qr(randn(columns, smaller, generator: generator)).Q;
        return ((left * tensor(values).to(ScalarType.Float32)).mm(right.t()), values, left);
    }

    private static float OffOrthonormal(Tensor vectors) => (vectors.to(ScalarType.Float64).t().mm(vectors.to(ScalarType.Float64)) - eye(vectors.shape[1], dtype: ScalarType.Float64)).abs().max().to(ScalarType.Float32).item<float>();

    private sealed class Recorder(List<AlignmentDirectionProgress> steps) : IProgress<AlignmentDirectionProgress>
    {
        public void Report(AlignmentDirectionProgress value) => steps.Add(value);
    }
}
