using System.Globalization;
using AsFT.Torch.Adapters;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <content>How a penalty is made, and what it takes.</content>
public sealed partial class AlignmentPenalty
{
    private readonly Dictionary<string, double> _norms = new(StringComparer.Ordinal);
    private double _anchored, _all, _leastEnergy = 1, _mostEnergy, _leftOut;
    private int _leastVectors = int.MaxValue, _mostVectors;

    /// <summary>Share of Σ‖D‖²_F that the anchored vectors hold, in [0, 1]: over all penalised layers; 1 for Flattened, 0 for None.</summary>
    public double AnchoredEnergy => _all > 0 ? _anchored / _all : 0;

    /// <summary>By how much the vectors that are left out can change the penalty of an update, at most, as a multiple of its ‖ΔW‖²; 0 where all are kept, or none are needed.</summary>
    internal double LeftOut => _leftOut;

    /// <summary>One line on the vectors that are kept, for people; null where the penalty keeps none.</summary>
    internal string? SpectrumReport => _mostVectors == 0 ? null : string.Create(CultureInfo.InvariantCulture,
        $"Spectrum of D: {(_leastVectors == _mostVectors ? $"{_mostVectors}" : $"{_leastVectors} to {_mostVectors}")} vectors a layer ({StorageOf(_options, _empty.dtype)}), which hold {100 * _leastEnergy:0.#} to {100 * _mostEnergy:0.#} % of its squared norm; ")
        + (_leftOut == 0 ? "what is left out does not change the penalty" : string.Create(CultureInfo.InvariantCulture, $"what is left out changes the penalty by at most {_leftOut:G2} times the update's squared norm"));

    /// <summary>Bytes that the penalty of one layer keeps on the device, at most.</summary>
    /// <param name="outFeatures">d_out.</param>
    /// <param name="inFeatures">d_in.</param>
    /// <param name="options">Projection, rank and storage.</param>
    /// <param name="adapter">Format of A and B.</param>
    internal static long KeptBytes(long outFeatures, long inFeatures, AlignmentPenaltyOptions options, ScalarType adapter)
    {
        var smaller = Math.Min(outFeatures, inFeatures);
        var vectors = options.Rank().Most(outFeatures, smaller);
        var columns = options.Projection switch
        {
            AlignmentProjection.None => 0,
            AlignmentProjection.Flattened => inFeatures,
            AlignmentProjection.Subspace => Math.Min(vectors, options.SubspaceRank ?? (long)Math.Ceiling(options.SubspaceEnergy * smaller)),
            _ => vectors,
        };
        return outFeatures * columns * SafetensorsDTypes.FromScalarType(StorageOf(options, adapter))!.Value.Size();
    }

    /// <summary>Bytes that come and go while the penalty of one layer is made: D, and a matrix of its smaller side squared.</summary>
    /// <param name="outFeatures">d_out.</param>
    /// <param name="inFeatures">d_in.</param>
    internal static long PassingBytes(long outFeatures, long inFeatures) =>
        sizeof(float) * (outFeatures * inFeatures + Math.Min(outFeatures, inFeatures) * Math.Min(outFeatures, inFeatures));

    private static ScalarType StorageOf(AlignmentPenaltyOptions options, ScalarType adapter) => options.StorageDType ?? adapter;

    private SpectralMatrix NewMatrix(IReadOnlyList<LoraLayer> stack, double alpha) =>
        new(alpha, stack.Count, stack[0].A.dtype, StorageOf(_options, stack[0].A.dtype), stack[0].A.device);

    private void Prepare(AlignmentDirection direction, IReadOnlyList<LoraLayer> layers, IProgress<AlignmentDirectionProgress>? progress, CancellationToken cancellationToken)
    {
        var protection = new LayerProtection(direction, layers, _options.UnprotectedLayers);
        var (penalty, rank) = (UpdatePenalty.Of(_options), _options.Rank());
        var done = 0;
        foreach (var stack in LoraLayer.Stacks(protection.Fitting()))
        {
            var matrix = penalty is null ? null : NewMatrix(stack, penalty.Alpha);
            PenaltyForm form = matrix is null ? new FlattenedForm(stack.Count, StorageOf(_options, stack[0].A.dtype), stack[0].A.device) : new SpectralForm(matrix);
            try
            {
                var isolated = new List<LoraLayer>();
                foreach (var layer in stack)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    using var temporaries = NewDisposeScope();
                    var found = direction.FindLayer(layer.Name)!;
                    var norm = matrix is null ? Flatten((FlattenedForm)form, found, stack[0].A.dtype) : Decompose(matrix, penalty!, found, rank);
                    if (protection.Isolates(layer, norm)) isolated.Add(layer);
                    progress?.Report(new(++done, layers.Count, layer.Name));
                }
                form.Complete();
                if (isolated.Count > 0) _parts.Add(new(isolated, form));
                else form.Dispose();
            }
            catch
            {
                form.Dispose();
                throw;
            }
        }
        // Directions and decompositions were larger than what stays of them.
        HeapMemory.GiveBack();
        protection.Require();
    }

    // ‖D‖_F; where it protects nothing, nothing is added.
    private double Decompose(SpectralMatrix matrix, UpdatePenalty penalty, DirectionLayer layer, SpectrumRank rank)
    {
        using var spectrum = layer.Spectrum(rank, matrix.Device);
        if (!IsSound(layer.Name, spectrum.Norm)) return spectrum.Norm;
        var count = penalty.Count(spectrum, layer.Name);
        var anchored = penalty is SubspacePenalty ? count : spectrum.CountFor(_options.SubspaceEnergy) ?? count;
        matrix.Add(spectrum.Vectors.narrow(1, 0, count), [.. spectrum.Values.Take(count).Select(value => penalty.Weight(value, spectrum))], anchored);
        Anchor(spectrum.Norm, spectrum.Energy(anchored));
        (_leastVectors, _mostVectors) = (Math.Min(_leastVectors, count), Math.Max(_mostVectors, count));
        (_leastEnergy, _mostEnergy) = (Math.Min(_leastEnergy, spectrum.Energy(count)), Math.Max(_mostEnergy, spectrum.Energy(count)));
        _leftOut = Math.Max(_leftOut, penalty.LeftOut(spectrum));
        return spectrum.Norm;
    }

    private double Flatten(FlattenedForm form, DirectionLayer layer, ScalarType dtype)
    {
        using var matrix = layer.ReadMatrix();
        if (!IsSound(layer.Name, matrix.Norm)) return matrix.Norm;
        form.Add(matrix, dtype);
        Anchor(matrix.Norm, 1);
        return matrix.Norm;
    }

    private bool IsSound(string name, double norm)
    {
        if (!(norm > 0 && double.IsFinite(norm))) return false;
        _norms.Add(name, norm);
        return true;
    }

    private void Anchor(double norm, double energy)
    {
        _all += norm * norm;
        _anchored += energy * norm * norm;
    }
}
