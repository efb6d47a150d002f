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

    /// <summary>
    /// Not D itself but its spectrum: the leading left singular vectors, their values, and sums over all of them; d_out·k numbers instead of
    /// d_out·d_in. All that a penalty needs, except <see cref="AlignmentProjection.Flattened"/>.
    /// </summary>
    Spectrum,
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

    /// <summary>Opens a direction that <see cref="Save(string, AlignmentDirectionEncoding, int?)"/> wrote; its header is checked, and layers are read when they are asked for.</summary>
    /// <param name="path">A safetensors file; it stays open.</param>
    /// <exception cref="InvalidDataException">The file is damaged or holds something else; names it and the tensor.</exception>
    public static AlignmentDirection Load(string path)
    {
        var file = SafetensorsFile.Open(path);
        try
        {
            return new AlignmentDirection(LayersOf(file), [file])
            {
                Encoding = ReadEncoding(file),
                KeptEnergy = ReadEnergy(file),
                AlignedFingerprint = file.Metadata.GetValueOrDefault(AlignedKey),
                BaseFingerprint = file.Metadata.GetValueOrDefault(BaseKey),
            };
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Writes a safetensors file, whole or not at all; the fingerprints of both sources go into its metadata.</summary>
    /// <param name="path">The file; an older one is replaced.</param>
    /// <param name="encoding">How matrices are held. What is lost stands in the file as <see cref="KeptEnergy"/>.</param>
    /// <param name="rank">k of <see cref="AlignmentDirectionEncoding.Factors"/>, at least 1 (layers with a smaller side than k are kept whole), or of <see cref="AlignmentDirectionEncoding.Spectrum"/> (null: all vectors).</param>
    /// <exception cref="ArgumentException">The encoding and the rank do not go together.</exception>
    public void Save(string path, AlignmentDirectionEncoding encoding = AlignmentDirectionEncoding.Full, int? rank = null) =>
        Save(path, new AlignmentDirectionFormat { Encoding = encoding, Rank = rank, AlignedFingerprint = AlignedFingerprint, BaseFingerprint = BaseFingerprint });

    /// <summary>
    /// Writes a safetensors file, whole or not at all, layer by layer: memory holds one layer at a time, a few blocks where both weights are
    /// bfloat16 and D itself is written, else both weights, and for factors and spectra what finding them takes.
    /// </summary>
    /// <param name="path">The file; an older one is replaced.</param>
    /// <param name="format">How matrices are held, and the fingerprints that are written.</param>
    /// <param name="progress">Told after each layer.</param>
    /// <param name="cancellationToken">Checked before each layer.</param>
    /// <returns>Norms, in the order of <see cref="LayerNames"/>.</returns>
    /// <exception cref="ArgumentException">The encoding and the rank do not go together.</exception>
    /// <exception cref="InvalidOperationException">D is wanted of a file that holds its spectrum alone.</exception>
    public IReadOnlyList<AlignmentDirectionLayer> Save(string path, AlignmentDirectionFormat format, IProgress<AlignmentDirectionProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(format);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        var layers = new List<AlignmentDirectionLayer>();
        DirectionWriter.Write(path, [.. _layers.Values], format, KeptEnergy, writer =>
        {
            foreach (var layer in _layers.Values)
            {
                cancellationToken.ThrowIfCancellationRequested();
                layers.Add(new(layer.Name, writer.Add(layer)));
                progress?.Report(new(layers.Count, _layers.Count, layer.Name));
            }
        });
        return layers;
    }

    /// <summary>Builds a direction straight into a file: <see cref="Build"/> and <see cref="Save(string, AlignmentDirectionFormat, IProgress{AlignmentDirectionProgress}?, CancellationToken)"/>.</summary>
    /// <param name="aligned">The aligned model.</param>
    /// <param name="baseline">The model it was made from.</param>
    /// <param name="layerNames">Layers wanted, as in the checkpoints without <c>.weight</c>.</param>
    /// <param name="path">A safetensors file, written whole or not at all; an older one is replaced.</param>
    /// <param name="format">How matrices are held, and the sources' fingerprints; null: float32, without fingerprints.</param>
    /// <param name="progress">Told after each layer.</param>
    /// <param name="allowQuantized">Whether weights may be quantised ones; see <see cref="Build"/>.</param>
    /// <param name="cancellationToken">Checked before each layer.</param>
    /// <returns>Norms, in the order of the names.</returns>
    /// <exception cref="InvalidDataException">A checkpoint lacks a tensor, or shapes differ; names the layer.</exception>
    /// <exception cref="ArgumentException">The encoding and the rank do not go together.</exception>
    public static IReadOnlyList<AlignmentDirectionLayer> BuildToFile(ModelCheckpoint aligned, ModelCheckpoint baseline, IEnumerable<string> layerNames, string path,
        AlignmentDirectionFormat? format = null, IProgress<AlignmentDirectionProgress>? progress = null, bool allowQuantized = false, CancellationToken cancellationToken = default)
    {
        using var direction = Build(aligned, baseline, layerNames, allowQuantized);
        return direction.Save(path, format ?? new(), progress, cancellationToken);
    }

    // In the order of the file. All that headers tell is checked here; numbers are where they are read.
    private static IEnumerable<DirectionLayer> LayersOf(SafetensorsFile file)
    {
        var spectra = ReadEncoding(file) == AlignmentDirectionEncoding.Spectrum;
        foreach (var name in file.Entries.Keys)
        {
            var suffix = SuffixOf(name, spectra) ?? throw NoPart(file, name);
            var layer = name[..^suffix.Length];
            if (suffix == MatrixSuffix)
            {
                var entry = MatrixEntry(file, name);
                yield return new(layer, entry.Shape[0], entry.Shape[1], DTypeOf(entry), entry.Shape[1], () => new LayerDirection(ReadMatrix(file, name)));
            }
            else if (suffix == LeftSuffix)
            {
                var (left, right) = (MatrixEntry(file, name), MatrixEntry(file, layer + RightSuffix));
                if (left.Shape[1] != right.Shape[1] || DTypeOf(left) != DTypeOf(right))
                    throw new InvalidDataException($"Tensor '{name}' in '{file.Path}' is {left.DType} of shape {Shape(left.Shape)} and its right factor {right.DType} of shape {Shape(right.Shape)}; they must have the same columns and format.");
                yield return new(layer, left.Shape[0], right.Shape[0], DTypeOf(left), left.Shape[1], () => ReadFactors(file, name, layer + RightSuffix));
            }
            else if (suffix == SpectrumFile.VectorsSuffix)
            {
                yield return SpectrumFile.LayerOf(file, layer);
            }
            // What stands beside a first tensor is read with it, and belongs to nothing without.
            else if (!file.Entries.ContainsKey(layer + (spectra ? SpectrumFile.VectorsSuffix : LeftSuffix)))
            {
                throw NoPart(file, name);
            }
        }
    }

    private static string? SuffixOf(string name, bool spectra) =>
        Array.Find(spectra ? SpectrumFile.Suffixes : [MatrixSuffix, LeftSuffix, RightSuffix], suffix => name.EndsWith(suffix, StringComparison.Ordinal));

    private static InvalidDataException NoPart(SafetensorsFile file, string name) => new($"Tensor '{name}' in '{file.Path}' is no part of an alignment direction.");

    private static SafetensorsEntry MatrixEntry(SafetensorsFile file, string name)
    {
        if (!file.Entries.TryGetValue(name, out var entry)) throw new InvalidDataException($"'{file.Path}' has no tensor '{name}'.");
        if (entry.Shape.Count != 2 || entry.DType is not (SafetensorsDType.BF16 or SafetensorsDType.F16 or SafetensorsDType.F32 or SafetensorsDType.F64))
            throw new InvalidDataException($"Tensor '{name}' in '{file.Path}' must be a floating-point matrix; found {entry.DType} of shape {Shape(entry.Shape)}.");
        return entry;
    }

    private static ScalarType DTypeOf(SafetensorsEntry entry) => entry.DType == SafetensorsDType.F64 ? ScalarType.Float64 : ScalarType.Float32;

    private static Tensor ReadMatrix(SafetensorsFile file, string name) => file.Read(name, DTypeOf(file.Entries[name]));

    private static LayerDirection ReadFactors(SafetensorsFile file, string left, string right)
    {
        using var scope = NewDisposeScope();
        return new LayerDirection(ReadMatrix(file, left), ReadMatrix(file, right));
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
