using AsFT.Torch.Input;
using AsFT.Torch.Runtime;
using Microsoft.Win32.SafeHandles;
using static TorchSharp.torch;

namespace AsFT.Torch.Checkpoints;

/// <summary>One tensor of a safetensors file, as its header describes it.</summary>
/// <param name="Name">Name of the tensor.</param>
/// <param name="DType">Number format as stored.</param>
/// <param name="Shape">Dimensions; empty for a scalar.</param>
/// <param name="Offset">First byte, counted from the start of the file.</param>
/// <param name="ByteCount">Number of bytes.</param>
public sealed record SafetensorsEntry(string Name, SafetensorsDType DType, IReadOnlyList<long> Shape, long Offset, long ByteCount);

/// <summary>
/// An open safetensors file (format: huggingface.co/docs/safetensors). Opening it reads and checks the header alone; tensors
/// are read one by one, when asked for, straight into their own memory. The file is read rather than mapped: mapped pages
/// would count as the process's memory beside the tensors, and a file cut short by another process would end this one.
/// Reading from several threads is safe.
/// </summary>
internal sealed class SafetensorsFile : IDisposable
{
    private readonly SafeFileHandle _handle;
    private readonly SafetensorsHeader _header;

    private SafetensorsFile(string path, SafeFileHandle handle, SafetensorsHeader header) => (Path, _handle, _header) = (path, handle, header);

    /// <summary>Path as it was given.</summary>
    public string Path { get; }

    /// <summary>Tensors by name.</summary>
    public IReadOnlyDictionary<string, SafetensorsEntry> Entries => _header.Entries;

    /// <summary>The texts under <c>__metadata__</c>; empty when there are none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>Opens a file and checks its header.</summary>
    /// <param name="path">Path of the file.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is no safetensors file, or damaged; the message names the tensor.</exception>
    public static SafetensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!File.Exists(path))
            throw new FileNotFoundException(Directory.Exists(path) ? $"'{path}' is a folder; a safetensors file is wanted." : $"There is no file '{path}'.", path);
        if (PickleFiles.Looks(path)) throw new InvalidDataException(PickleFiles.Refusal(path));
        var handle = InputFile.OpenHandle(path);
        try
        {
            var length = RandomAccess.GetLength(handle);
            Span<byte> start = stackalloc byte[(int)Math.Min(length, ForeignContent.Looked)];
            BlockReader.ReadExactly(handle, start, 0, path);
            // The format's own rule: the header's first character is a brace. The first eight bytes are any number.
            if (start is [_, _, _, _, _, _, _, _, not (byte)'{', ..] && ForeignContent.Recognize(start) is { } foreign) throw new InvalidDataException($"'{path}' {foreign}.");
            var json = new byte[SafetensorsHeader.JsonLength(start[..Math.Min(start.Length, SafetensorsHeader.PrefixSize)], length, path)];
            BlockReader.ReadExactly(handle, json, SafetensorsHeader.PrefixSize, path);
            return new SafetensorsFile(path, handle, SafetensorsHeader.Parse(json, length, path));
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Reads one tensor.</summary>
    /// <param name="name">Name of the tensor.</param>
    /// <param name="dtype">Format of the result; as stored when null.</param>
    /// <param name="device">Device of the result; CPU when null.</param>
    /// <returns>A new tensor, the caller's to dispose (it belongs to the caller's DisposeScope when there is one).</returns>
    /// <exception cref="InvalidDataException">There is no such tensor, TorchSharp has no type for its format, or the file was cut short meanwhile.</exception>
    public Tensor Read(string name, ScalarType? dtype = null, Device? device = null)
    {
        AsftRuntime.Initialize();
        ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
        if (!Entries.TryGetValue(name, out var entry))
            throw new InvalidDataException($"'{Path}' has no tensor '{name}'.");
        var stored = entry.DType.ToScalarType()
            ?? throw new InvalidDataException($"Tensor '{name}' in '{Path}' is stored as {entry.DType.Name()}, which TorchSharp has no type for.");
        var inFile = TensorMemory.InFile(stored);

        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var result = empty([.. entry.Shape], dtype ?? stored, device ?? CPU);
        if (entry.ByteCount == 0) return result.MoveToOuterDisposeScope();
        if (TryReadBlocks(entry, inFile, result)) return result.MoveToOuterDisposeScope();
        var flat = result.view(-1);
        var size = entry.DType.Size();
        // What libtorch has to convert, or a device to hold, goes by way of one small buffer.
        var buffer = empty(Math.Min(flat.numel(), TensorMemory.PartBytes / size), inFile);
        foreach (var (start, count) in TensorMemory.Parts(flat.numel(), size))
        {
            using var target = flat.narrow(0, start, count);
            using var source = buffer.narrow(0, 0, count);
            ReadBytes(entry, source.bytes, start * size);
            if (stored != ScalarType.Bool)
            {
                target.copy_(source);
                continue;
            }
            // libtorch's own conversion from bytes keeps a 2 as it is.
            using var truth = source.ne(Scalars.Zero);
            target.copy_(truth);
        }
        return result.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    /// <summary>Reads a part of a tensor's bytes.</summary>
    internal void ReadBytes(SafetensorsEntry entry, Span<byte> target, long start) =>
        BlockReader.ReadExactly(_handle, target, entry.Offset + start, Path);

    // What stays as it is, and bfloat16 to be widened, takes no way through libtorch: every core reads and converts blocks.
    private unsafe bool TryReadBlocks(SafetensorsEntry entry, ScalarType inFile, Tensor result)
    {
        var isWidened = inFile == ScalarType.BFloat16 && result.dtype == ScalarType.Float32;
        if (result.device_type != TorchSharp.DeviceType.CPU || !(isWidened || result.dtype == inFile)) return false;
        var target = TensorMemory.Pointer(result);
        TensorMemory.PreferLargePages(target, result.numel() * result.element_size());
        BlockReader.ForEach(entry.ByteCount, 1, (block, buffer, count) =>
        {
            var start = block * BlockReader.BlockBytes;
            if (!isWidened)
            {
                ReadBytes(entry, new Span<byte>(target + start, count), start);
                return;
            }
            ReadBytes(entry, buffer[..count], start);
            BFloat16.Widen(BFloat16.Of(buffer[..count]), new Span<float>(target + 2 * start, count / 2));
        });
        return true;
    }
}
