using System.Globalization;
using System.Runtime.InteropServices;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Runtime;
using Microsoft.Win32.SafeHandles;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>Writes a direction's file layer by layer: its header follows from shapes, so that no layer waits for another.</summary>
internal sealed class DirectionWriter
{
    // As long as a float64 in [0, 1] can be as text.
    private static readonly string RoomForEnergy = new('0', 24);

    private readonly SafeFileHandle _file;
    private readonly AlignmentDirectionFormat _format;
    private readonly double _keptBefore;
    private readonly List<TensorPlan> _tensors = [];
    private readonly Dictionary<string, (TensorPlan Plan, long Offset)> _places = new(StringComparer.Ordinal);
    private readonly int _headerLength;
    private double _kept, _all;

    private DirectionWriter(string partial, IReadOnlyList<DirectionLayer> layers, AlignmentDirectionFormat format, double keptBefore)
    {
        (_format, _keptBefore) = (format, keptBefore);
        foreach (var layer in layers)
        {
            if (format.Encoding == AlignmentDirectionEncoding.Spectrum)
            {
                _tensors.AddRange(SpectrumFile.Plan(layer, RankOf(format).Count(layer.OutFeatures, Smaller(layer))!.Value, format.VectorDType));
                continue;
            }
            var dtype = SafetensorsDTypes.FromScalarType(format.Encoding == AlignmentDirectionEncoding.BFloat16 ? ScalarType.BFloat16 : layer.DType)!.Value;
            if (IsFactored(layer, out var rank))
            {
                _tensors.Add(new(layer.Name + AlignmentDirection.LeftSuffix, dtype, [layer.OutFeatures, rank]));
                _tensors.Add(new(layer.Name + AlignmentDirection.RightSuffix, dtype, [layer.InFeatures, rank]));
            }
            else
            {
                _tensors.Add(new(layer.Name + AlignmentDirection.MatrixSuffix, dtype, [layer.OutFeatures, layer.InFeatures]));
            }
        }
        var header = Header(LosesSome ? RoomForEnergy : Text(keptBefore));
        var offset = (long)(_headerLength = header.Length);
        foreach (var tensor in _tensors)
        {
            _places.Add(tensor.Name, (tensor, offset));
            offset += tensor.ByteCount;
        }
        // A disk that is too small says so now, not at the last layer.
        _file = File.OpenHandle(partial, FileMode.CreateNew, FileAccess.Write, FileShare.None, preallocationSize: offset);
        RandomAccess.Write(_file, header, 0);
    }

    /// <summary>Writes a file, whole or not at all.</summary>
    /// <param name="path">The file; an older one is replaced.</param>
    /// <param name="layers">All layers, in the order of the file.</param>
    /// <param name="format">How they are held.</param>
    /// <param name="keptBefore">Share of ‖D‖² that an earlier approximation left.</param>
    /// <param name="add">Adds every layer.</param>
    public static void Write(string path, IReadOnlyList<DirectionLayer> layers, AlignmentDirectionFormat format, double keptBefore, Action<DirectionWriter> add)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        format.Validate();
        AtomicOutput.WriteFile(path, partial =>
        {
            var writer = new DirectionWriter(partial, layers, format, keptBefore);
            using var file = writer._file;
            add(writer);
            writer.Finish();
        });
    }

    /// <summary>Writes a layer.</summary>
    /// <returns>‖D‖_F.</returns>
    public double Add(DirectionLayer layer)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (norm, energy) = _format.Encoding == AlignmentDirectionEncoding.Spectrum ? AddSpectrum(layer)
            : layer.ReadBlocks is { } read && _places.TryGetValue(layer.Name + AlignmentDirection.MatrixSuffix, out var place) ? (AddBlocks(read, place.Plan, place.Offset), 1)
            : AddMatrix(layer);
        if (LosesSome && !double.IsFinite(norm))
            throw new InvalidDataException($"The direction of layer '{layer.Name}' has values that are not finite: weights of one of the models are damaged, and nothing can be left out of it.");
        _all += norm * norm;
        _kept += energy * norm * norm;
        return norm;
    }

    private (double Norm, double Energy) AddSpectrum(DirectionLayer layer)
    {
        using var spectrum = layer.Spectrum(RankOf(_format), _format.Device ?? CPU);
        Write(layer.Name + SpectrumFile.VectorsSuffix, spectrum.Vectors.to(_format.VectorDType).cpu().contiguous());
        Write(layer.Name + SpectrumFile.ValuesSuffix, tensor(spectrum.Values));
        Write(layer.Name + SpectrumFile.SummarySuffix, tensor(SpectrumFile.Summary(layer, spectrum)));
        return (spectrum.Norm, spectrum.Energy());
    }

    private (double Norm, double Energy) AddMatrix(DirectionLayer layer)
    {
        using var direction = layer.ReadMatrix();
        if (!IsFactored(layer, out var rank))
        {
            Write(layer.Name + AlignmentDirection.MatrixSuffix, _format.Encoding == AlignmentDirectionEncoding.BFloat16 ? direction.Matrix.to(ScalarType.BFloat16) : direction.Matrix);
            return (direction.Norm, 1);
        }
        var (left, right) = Truncate(direction, rank);
        Write(layer.Name + AlignmentDirection.LeftSuffix, left);
        Write(layer.Name + AlignmentDirection.RightSuffix, right);
        return (direction.Norm, direction.Norm > 0 ? Math.Pow(left.to(ScalarType.Float64).norm().item<double>() / direction.Norm, 2) : 0);
    }

    // Written while it lies in a core's cache: D itself never stands in memory.
    private double AddBlocks(Func<DirectionReader.DifferenceAction, double> read, TensorPlan plan, long offset) => read((start, difference) =>
    {
        var bytes = MemoryMarshal.AsBytes(difference);
        if (plan.DType == SafetensorsDType.BF16)
        {
            // In place: a number is read before its half of the room is written.
            var halves = MemoryMarshal.Cast<byte, ushort>(bytes)[..difference.Length];
            BFloat16.Narrow(difference, halves);
            bytes = MemoryMarshal.AsBytes(halves);
        }
        RandomAccess.Write(_file, bytes, offset + start * plan.DType.Size());
    });

    private void Finish()
    {
        if (LosesSome)
            RandomAccess.Write(_file, Header(Text(_keptBefore * (_all > 0 ? Math.Min(_kept / _all, 1) : 1)), _headerLength), 0);
        RandomAccess.FlushToDisk(_file);
    }

    private bool LosesSome => _format.Encoding is AlignmentDirectionEncoding.Factors or AlignmentDirectionEncoding.Spectrum;

    private static SpectrumRank RankOf(AlignmentDirectionFormat format) => format.Rank is { } rank ? new(rank) : SpectrumRank.All;

    // A layer that is held as factors has no more vectors than those.
    private static long Smaller(DirectionLayer layer) => Math.Min(layer.OutFeatures, layer.Held);

    private bool IsFactored(DirectionLayer layer, out int rank)
    {
        rank = (int)Math.Min(_format.Rank ?? 0, layer.Held);
        return _format.Encoding == AlignmentDirectionEncoding.Factors && rank < Math.Min(layer.OutFeatures, layer.InFeatures);
    }

    private byte[] Header(string energy, int length = 0)
    {
        var metadata = new Dictionary<string, string>
        {
            [AlignmentDirection.FormatKey] = AlignmentDirection.FormatName,
            [AlignmentDirection.EncodingKey] = _format.Encoding.ToString(),
            [AlignmentDirection.EnergyKey] = energy,
        };
        if (_format.AlignedFingerprint is { } aligned) metadata[AlignmentDirection.AlignedKey] = aligned;
        if (_format.BaseFingerprint is { } baseline) metadata[AlignmentDirection.BaseKey] = baseline;
        return SafetensorsWriter.Header(_tensors, metadata, length);
    }

    private static string Text(double energy) => energy.ToString("R", CultureInfo.InvariantCulture);

    private unsafe void Write(string name, Tensor tensor)
    {
        var (plan, offset) = _places[name];
        if (tensor.numel() * tensor.element_size() != plan.ByteCount)
            throw new InvalidOperationException($"'{name}' has {tensor.numel() * tensor.element_size()} bytes; {plan.ByteCount} were planned.");
        if (plan.ByteCount == 0) return;
        var source = TensorMemory.Pointer(tensor);
        foreach (var (start, count) in TensorMemory.Parts(plan.ByteCount, 1))
            RandomAccess.Write(_file, new ReadOnlySpan<byte>(source + start, (int)count), offset + start);
    }

    /// <summary>D ≈ left·rightᵀ with orthonormal right columns: U_k·U_kᵀ·D, its second factor made orthonormal by QR.</summary>
    private static (Tensor Left, Tensor Right) Truncate(LayerDirection layer, int rank)
    {
        var (matrix, dtype) = (layer.Matrix, layer.Left.dtype);
        if (!(layer.Norm > 0)) return (zeros(matrix.shape[0], rank, dtype), zeros(matrix.shape[1], rank, dtype));
        using var scope = NewDisposeScope();
        using var spectrum = Spectrum.Of(layer.Share(), new(rank), CPU);
        var basis = spectrum.Vectors.to(ScalarType.Float64);
        var (right, triangle) = linalg.qr(matrix.to(ScalarType.Float64).t().mm(basis));
        return (basis.mm(triangle.t()).to(dtype).contiguous().MoveToOuterDisposeScope(), right.to(dtype).contiguous().MoveToOuterDisposeScope());
    }
}
