using System.Globalization;
using AsFT.Torch.Checkpoints;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>How a saved <see cref="AlignmentDirection"/> holds its matrices.</summary>
public enum AlignmentDirectionEncoding
{
    /// <summary>As they are: float32, or float64 where both checkpoints are; nothing is lost.</summary>
    Full,

    /// <summary>bfloat16: half the size, each number within 2⁻⁸ of its own size.</summary>
    BFloat16,

    /// <summary>The best approximation of rank k, as two factors: (d_out + d_in)·k numbers instead of d_out·d_in.</summary>
    Factors,
}

public sealed partial class AlignmentDirection
{
    internal const string FormatKey = "format", FormatName = "asft-alignment-direction", EncodingKey = "encoding", EnergyKey = "kept_energy";
    internal const string AlignedKey = "aligned_fingerprint", BaseKey = "base_fingerprint";
    internal const string MatrixSuffix = ".direction", LeftSuffix = ".direction_left", RightSuffix = ".direction_right";

    /// <summary>What tells the aligned checkpoint from others, such as a hash of its files; kept in the saved file. Null: unknown.</summary>
    public string? AlignedFingerprint { get; set; }

    /// <summary>What tells the base checkpoint from others; kept in the saved file. Null: unknown.</summary>
    public string? BaseFingerprint { get; set; }

    /// <summary>How the file that this was loaded from holds its matrices; <see cref="AlignmentDirectionEncoding.Full"/> when it was built.</summary>
    public AlignmentDirectionEncoding Encoding { get; private init; }

    /// <summary>Share of Σ‖D‖²_F that is left after an approximation by factors, in [0, 1]; 1 without.</summary>
    public double KeptEnergy { get; private init; } = 1;

    /// <summary>Reads a direction that <see cref="Save"/> wrote, into host memory.</summary>
    /// <param name="path">A safetensors file.</param>
    /// <exception cref="InvalidDataException">The file is damaged or holds something else; names it and the tensor.</exception>
    public static AlignmentDirection Load(string path)
    {
        using var file = SafetensorsFile.Open(path);
        var encoding = ReadEncoding(file);
        var layers = new Dictionary<string, LayerDirection>(StringComparer.Ordinal);
        try
        {
            foreach (var name in file.Entries.Keys)
            {
                using var scope = NewDisposeScope();
                if (name.EndsWith(MatrixSuffix, StringComparison.Ordinal))
                    layers.Add(name[..^MatrixSuffix.Length], new LayerDirection(ReadMatrix(file, name)));
                else if (name.EndsWith(LeftSuffix, StringComparison.Ordinal))
                    layers.Add(name[..^LeftSuffix.Length], ReadFactors(file, name));
                else if (!(name.EndsWith(RightSuffix, StringComparison.Ordinal) && file.Entries.ContainsKey(name[..^RightSuffix.Length] + LeftSuffix)))
                    throw new InvalidDataException($"Tensor '{name}' in '{path}' is no part of an alignment direction.");
            }
        }
        catch
        {
            foreach (var layer in layers.Values) layer.Dispose();
            throw;
        }
        return new AlignmentDirection(layers)
        {
            Encoding = encoding,
            KeptEnergy = ReadEnergy(file),
            AlignedFingerprint = file.Metadata.GetValueOrDefault(AlignedKey),
            BaseFingerprint = file.Metadata.GetValueOrDefault(BaseKey),
        };
    }

    /// <summary>Writes a safetensors file, whole or not at all; the fingerprints of both sources go into its metadata.</summary>
    /// <param name="path">The file; an older one is replaced.</param>
    /// <param name="encoding">How matrices are held. What <see cref="AlignmentDirectionEncoding.Factors"/> loses stands in the file as <see cref="KeptEnergy"/>.</param>
    /// <param name="rank">k of <see cref="AlignmentDirectionEncoding.Factors"/>, at least 1; layers with a smaller side than k are kept whole.</param>
    /// <exception cref="ArgumentException">The encoding and the rank do not go together.</exception>
    public void Save(string path, AlignmentDirectionEncoding encoding = AlignmentDirectionEncoding.Full, int? rank = null)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        var format = new AlignmentDirectionFormat { Encoding = encoding, Rank = rank, AlignedFingerprint = AlignedFingerprint, BaseFingerprint = BaseFingerprint };
        var plans = _layers.Select(layer => new LayerPlan(layer.Key, layer.Value.OutFeatures, layer.Value.InFeatures, layer.Value.Left.dtype, layer.Value.Left.shape[1]));
        DirectionWriter.Write(path, [.. plans], format, KeptEnergy, writer =>
        {
            foreach (var (name, layer) in _layers) writer.Add(name, layer);
        });
    }

    /// <summary>
    /// Builds a direction straight into a file, layer by layer: the file is what <see cref="Build"/> and <see cref="Save"/> make,
    /// byte for byte, and memory holds one layer at a time: a few blocks where both weights are bfloat16 and no factors are wanted,
    /// else both weights, and for factors what finding them takes in float64.
    /// </summary>
    /// <param name="aligned">The aligned model.</param>
    /// <param name="baseline">The model it was made from.</param>
    /// <param name="layerNames">Layers wanted, as in the checkpoints without <c>.weight</c>.</param>
    /// <param name="path">A safetensors file, written whole or not at all; an older one is replaced.</param>
    /// <param name="format">How matrices are held, and the sources' fingerprints; null: float32, without fingerprints.</param>
    /// <param name="progress">Told after each layer.</param>
    /// <param name="cancellationToken">Checked before each layer.</param>
    /// <returns>Norms, in the order of the names.</returns>
    /// <exception cref="InvalidDataException">A checkpoint lacks a tensor, or shapes differ; names the layer.</exception>
    /// <exception cref="ArgumentException">The encoding and the rank do not go together.</exception>
    public static IReadOnlyList<AlignmentDirectionLayer> BuildToFile(ModelCheckpoint aligned, ModelCheckpoint baseline, IEnumerable<string> layerNames, string path,
        AlignmentDirectionFormat? format = null, IProgress<AlignmentDirectionProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        var names = RequireMatching(aligned, baseline, layerNames);
        var layers = new List<AlignmentDirectionLayer>();
        var plans = names.Select(name => (Name: name, aligned.Entries[$"{name}.weight"].Shape)).Select(layer =>
            new LayerPlan(layer.Name, layer.Shape[0], layer.Shape[1], DirectionReader.DTypeOf(aligned, baseline, layer.Name), layer.Shape[1]));
        DirectionWriter.Write(path, [.. plans], format ?? new(), 1, writer =>
        {
            foreach (var name in names)
            {
                cancellationToken.ThrowIfCancellationRequested();
                layers.Add(new(name, writer.Add(name, aligned, baseline)));
                progress?.Report(new(layers.Count, names.Length, name));
            }
        });
        return layers;
    }

    private static Tensor ReadMatrix(SafetensorsFile file, string name)
    {
        var matrix = file.Read(name);
        if (matrix.dim() != 2 || !matrix.is_floating_point())
            throw new InvalidDataException($"Tensor '{name}' in '{file.Path}' must be a floating-point matrix; found {matrix.dtype} of shape {Shape(matrix.shape)}.");
        return matrix.to(Widened(matrix.dtype));
    }

    private static LayerDirection ReadFactors(SafetensorsFile file, string leftName)
    {
        var (left, right) = (ReadMatrix(file, leftName), ReadMatrix(file, leftName[..^LeftSuffix.Length] + RightSuffix));
        if (left.shape[1] != right.shape[1] || left.dtype != right.dtype)
            throw new InvalidDataException($"Tensor '{leftName}' in '{file.Path}' is {left.dtype} of shape {Shape(left.shape)} and its right factor {right.dtype} of shape {Shape(right.shape)}; they must have the same columns and format.");
        return new LayerDirection(left, right);
    }

    private static AlignmentDirectionEncoding ReadEncoding(SafetensorsFile file)
    {
        if (file.Metadata.GetValueOrDefault(FormatKey) != FormatName)
            throw new InvalidDataException($"'{file.Path}' is no alignment direction: its metadata lacks {FormatKey} = {FormatName}.");
        return Enum.TryParse<AlignmentDirectionEncoding>(file.Metadata.GetValueOrDefault(EncodingKey), out var encoding) && Enum.IsDefined(encoding) ? encoding
            : throw new InvalidDataException($"'{file.Path}' names the encoding '{file.Metadata.GetValueOrDefault(EncodingKey)}'; known are {string.Join(", ", Enum.GetNames<AlignmentDirectionEncoding>())}.");
    }

    private static double ReadEnergy(SafetensorsFile file) =>
        double.TryParse(file.Metadata.GetValueOrDefault(EnergyKey), NumberStyles.Float, CultureInfo.InvariantCulture, out var energy) && energy is >= 0 and <= 1 ? energy
            : throw new InvalidDataException($"'{file.Path}' has {EnergyKey} = '{file.Metadata.GetValueOrDefault(EnergyKey)}' in its metadata; a number in [0, 1] is wanted.");
}
