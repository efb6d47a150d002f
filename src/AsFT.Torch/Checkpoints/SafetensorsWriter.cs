using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;
using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Checkpoints;

/// <summary>Writes safetensors files.</summary>
internal static class SafetensorsWriter
{
    // Readers map the file and want the numbers aligned.
    private const int Alignment = 8;
    private static readonly JsonWriterOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes to a temporary file beside <paramref name="path"/>, then renames it.</summary>
    /// <param name="path">The file; an older one is replaced.</param>
    /// <param name="tensors">Tensors by name, in the order of the file, on any device; their formats are kept. All must live until the call returns.</param>
    /// <param name="metadata">Texts for <c>__metadata__</c>.</param>
    /// <exception cref="ArgumentException">Two tensors have one name, or a tensor's type is not in the format (complex, quantized).</exception>
    public static void Write(string path, IEnumerable<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        WriteOneByOne(path, [.. tensors.Select(pair => (PlanOf(pair.Key, pair.Value), (Func<Tensor>)(() => pair.Value)))], metadata);
    }

    /// <summary>The same for tensors that are made one by one, when their turn comes: what a call of one function leaves in its dispose scope is freed before the next.</summary>
    /// <param name="path">The file; an older one is replaced.</param>
    /// <param name="tensors">What the header says of each, and what makes it.</param>
    /// <param name="metadata">Texts for <c>__metadata__</c>.</param>
    /// <exception cref="ArgumentException">Two tensors have one name, or a name that is reserved.</exception>
    internal static void WriteOneByOne(string path, IReadOnlyList<(TensorPlan Plan, Func<Tensor> Make)> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (plan, _) in tensors)
        {
            if (plan.Name is null or "__metadata__") throw new ArgumentException($"A tensor for '{path}' has no name, or the reserved one '__metadata__'.", nameof(tensors));
            if (!names.Add(plan.Name)) throw new ArgumentException($"Two tensors for '{path}' are named '{plan.Name}'.", nameof(tensors));
        }
        AtomicOutput.WriteFile(path, partial =>
        {
            using var stream = new FileStream(partial, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
            stream.Write(Header([.. tensors.Select(tensor => tensor.Plan)], metadata));
            foreach (var (plan, make) in tensors)
            {
                using var scope = NewDisposeScope();
                using var _ = no_grad();
                var tensor = make();
                if (PlanOf(plan.Name, tensor) is var made && (made.DType != plan.DType || !made.Shape.SequenceEqual(plan.Shape)))
                    throw new InvalidOperationException($"Tensor '{plan.Name}' was announced as {plan.DType.Name()} ({string.Join(", ", plan.Shape)}) and made as {made.DType.Name()} ({string.Join(", ", made.Shape)}).");
                WriteData(stream, tensor);
            }
        });
    }

    /// <summary>What a header says of a tensor.</summary>
    /// <exception cref="ArgumentException">The tensor's type is not in the format.</exception>
    internal static TensorPlan PlanOf(string name, Tensor tensor) => new(name, DTypeOf(name, tensor), tensor.shape);

    private static SafetensorsDType DTypeOf(string name, Tensor tensor)
    {
        if (tensor is null) throw new ArgumentException($"Tensor '{name}' is null.", nameof(tensor));
        if (tensor.is_sparse || tensor.is_meta) throw new ArgumentException($"Tensor '{name}' is sparse or without memory (meta device); a dense one is wanted.", nameof(tensor));
        return SafetensorsDTypes.FromScalarType(tensor.dtype)
            ?? throw new ArgumentException($"Tensor '{name}' is {tensor.dtype}, which the safetensors format has no name for.", nameof(tensor));
    }

    /// <summary>The bytes before the first tensor's.</summary>
    /// <param name="tensors">What follows, in the order of the file.</param>
    /// <param name="metadata">Texts for <c>__metadata__</c>.</param>
    /// <param name="length">When not 0, the length of a header that this one takes the place of: it is filled up with spaces.</param>
    internal static byte[] Header(IReadOnlyList<TensorPlan> tensors, IReadOnlyDictionary<string, string>? metadata, int length = 0)
    {
        using var memory = new MemoryStream();
        memory.Write(stackalloc byte[SafetensorsHeader.PrefixSize]);
        using (var json = new Utf8JsonWriter(memory, Json))
        {
            json.WriteStartObject();
            if (metadata is not null)
            {
                json.WriteStartObject("__metadata__");
                foreach (var (key, value) in metadata) json.WriteString(key, value);
                json.WriteEndObject();
            }
            var offset = 0L;
            foreach (var tensor in tensors)
            {
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", tensor.DType.Name());
                json.WriteStartArray("shape");
                foreach (var size in tensor.Shape) json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                json.WriteNumberValue(offset += tensor.ByteCount);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (memory.Length % Alignment != 0 || memory.Length < length) memory.WriteByte((byte)' ');
        var header = memory.ToArray();
        BinaryPrimitives.WriteInt64LittleEndian(header, header.Length - SafetensorsHeader.PrefixSize);
        return header;
    }

    private static void WriteData(FileStream stream, Tensor tensor)
    {
        if (tensor.numel() == 0) return;
        var flat = tensor.detach().contiguous().view(-1);
        foreach (var (start, count) in TensorMemory.Parts(flat.numel(), (int)flat.element_size()))
        {
            using var part = flat.narrow(0, start, count);
            using var onCpu = part.cpu();
            stream.Write(onCpu.bytes);
        }
    }
}

/// <summary>A tensor that a file is going to hold.</summary>
/// <param name="Name">Name of the tensor.</param>
/// <param name="DType">Number format.</param>
/// <param name="Shape">Dimensions.</param>
internal sealed record TensorPlan(string Name, SafetensorsDType DType, IReadOnlyList<long> Shape)
{
    /// <summary>Bytes in the file.</summary>
    public long ByteCount => Shape.Aggregate((long)DType.Size(), (product, size) => product * size);
}
