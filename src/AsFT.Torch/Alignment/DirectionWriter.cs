using System.Globalization;
using System.Runtime.InteropServices;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Runtime;
using Microsoft.Win32.SafeHandles;
using static TorchSharp.torch;

namespace AsFT.Torch.Alignment;

/// <summary>A layer that a direction's file is going to hold; Rank is what its factors have, or d_in where it is a matrix.</summary>
internal sealed record LayerPlan(string Name, long OutFeatures, long InFeatures, ScalarType DType, long Rank);

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

    private DirectionWriter(string partial, IReadOnlyList<LayerPlan> layers, AlignmentDirectionFormat format, double keptBefore)
    {
        (_format, _keptBefore) = (format, keptBefore);
        foreach (var layer in layers)
        {
            var dtype = SafetensorsDTypes.FromScalarType(format.Encoding == AlignmentDirectionEncoding.BFloat16 ? ScalarType.BFloat16 : layer.DType)!.Value;
            if (IsFactored(layer.OutFeatures, layer.InFeatures, layer.Rank, out var rank))
            {
                _tensors.Add(new(layer.Name + AlignmentDirection.LeftSuffix, dtype, [layer.OutFeatures, rank]));
                _tensors.Add(new(layer.Name + AlignmentDirection.RightSuffix, dtype, [layer.InFeatures, rank]));
            }
            else
            {
                _tensors.Add(new(layer.Name + AlignmentDirection.MatrixSuffix, dtype, [layer.OutFeatures, layer.InFeatures]));
            }
        }
        var header = Header(format.Encoding == AlignmentDirectionEncoding.Factors ? RoomForEnergy : Text(keptBefore));
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
    public static void Write(string path, IReadOnlyList<LayerPlan> layers, AlignmentDirectionFormat format, double keptBefore, Action<DirectionWriter> add)
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

    /// <summary>Writes the direction of a layer.</summary>
    public void Add(string name, LayerDirection layer)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var energy = layer.Norm * layer.Norm;
        _all += energy;
        if (IsFactored(layer.OutFeatures, layer.InFeatures, layer.Left.shape[1], out var rank))
        {
            var (left, right) = Truncate(layer, rank);
            Write(name + AlignmentDirection.LeftSuffix, left);
            Write(name + AlignmentDirection.RightSuffix, right);
            _kept += Math.Pow(left.to(ScalarType.Float64).norm().item<double>(), 2);
            return;
        }
        _kept += energy;
        Write(name + AlignmentDirection.MatrixSuffix, _format.Encoding == AlignmentDirectionEncoding.BFloat16 ? layer.Matrix.to(ScalarType.BFloat16) : layer.Matrix);
    }

    /// <summary>Writes the difference of two weights.</summary>
    /// <returns>‖D‖_F.</returns>
    public double Add(string name, ModelCheckpoint aligned, ModelCheckpoint baseline)
    {
        var (plan, offset) = _places.GetValueOrDefault(name + AlignmentDirection.MatrixSuffix);
        if (plan is null || !DirectionReader.IsInBlocks(aligned, baseline, name))
        {
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            using var layer = DirectionReader.Read(aligned, baseline, name);
            Add(name, layer);
            return layer.Norm;
        }
        // Written while it lies in a core's cache: D itself never stands in memory.
        var norm = DirectionReader.ForEachBlock(aligned, baseline, name, (start, difference) =>
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
        _all += norm * norm;
        _kept += norm * norm;
        return norm;
    }

    private void Finish()
    {
        if (_format.Encoding == AlignmentDirectionEncoding.Factors)
            RandomAccess.Write(_file, Header(Text(_keptBefore * (_all > 0 ? Math.Min(_kept / _all, 1) : 1)), _headerLength), 0);
        RandomAccess.FlushToDisk(_file);
    }

    // A layer that is held as factors has no more columns than those.
    private bool IsFactored(long outFeatures, long inFeatures, long held, out int rank)
    {
        rank = (int)Math.Min(_format.Rank ?? 0, held);
        return _format.Encoding == AlignmentDirectionEncoding.Factors && rank < Math.Min(outFeatures, inFeatures);
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
        var dtype = layer.Left.dtype;
        if (layer.Norm == 0) return (zeros(layer.OutFeatures, rank, dtype), zeros(layer.InFeatures, rank, dtype));
        using var scope = NewDisposeScope();
        var basis = LeftSingularVectors.Leading(layer, rank, energy: 1, CPU);
        var (right, triangle) = linalg.qr(layer.Matrix.to(ScalarType.Float64).t().mm(basis));
        return (basis.mm(triangle.t()).to(dtype).contiguous().MoveToOuterDisposeScope(), right.to(dtype).contiguous().MoveToOuterDisposeScope());
    }
}
