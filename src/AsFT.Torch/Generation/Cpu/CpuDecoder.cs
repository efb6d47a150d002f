using System.Runtime.InteropServices;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime.Cpu;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Generation.Cpu;

/// <summary>
/// One decoding step of a float32 model on the CPU, without libtorch: it reads the model's weights and writes its cache
/// where they lie. A step of libtorch is some 300 operations, each too small for it; here all threads walk through the
/// layers together, each with its share of every matrix, and the step takes about as long as reading the weights.
/// </summary>
/// <remarks>
/// Prompts are not its business; their products are large, and libtorch is good at those. What it computes is what
/// <see cref="CausalDecoder.Forward"/> does, to the last bits of float32.
/// </remarks>
internal sealed unsafe partial class CpuDecoder : IDisposable
{
    // Below this a thread's share is read faster than threads meet.
    private const long BytesPerThread = 8 << 20;

    private sealed class Layer
    {
        public required Projection Query, Key, Value, Output, Gate, Up, Down;
        public float* InputNorm, PostAttentionNorm;

        public int Rank => All.Max(projection => projection.Rank);

        public long Numbers => All.Max(projection => projection.Numbers);

        private Projection[] All => [Query, Key, Value, Output, Gate, Up, Down];
    }

    private readonly CausalLanguageModel _model;
    private readonly ModelConfig _config;
    private readonly KeyValueCache _cache;
    private readonly Layer[] _layers;
    private readonly Projection _head;
    private readonly float* _embedding;
    private readonly float* _norm;
    // Held as long as they are read: the model's own tables may grow, and move, meanwhile.
    private readonly Tensor _cosines;
    private readonly Tensor _sines;
    private readonly float* _cos;
    private readonly float* _sin;
    private readonly ThreadTeam _team;
    private readonly Own[] _own;
    private readonly List<nint> _memory = [];

    // Written by all members, each its share.
    private readonly float* _projected;
    private readonly float* _attended;
    private readonly float* _activated;
    private readonly float* _added;
    private readonly float* _logits;

    /// <summary>What each member of the team has for itself.</summary>
    private readonly struct Own(float* hidden, float* normalized, float* gate, float* up, float* low, float* products, float* numbers, float* scores)
    {
        /// <summary>The residual stream, (rows × hidden); every member keeps all of it, which saves meetings.</summary>
        public readonly float* Hidden = hidden;
        public readonly float* Normalized = normalized;
        public readonly float* Gate = gate;
        public readonly float* Up = up;
        public readonly float* Low = low;
        public readonly float* Products = products;
        public readonly float* Numbers = numbers;
        public readonly float* Scores = scores;
    }

    /// <summary>Makes the decoder of a batch.</summary>
    /// <param name="model">The model; see <see cref="Handles"/>.</param>
    /// <param name="cache">Its cache, which holds the prompts by the first step.</param>
    public CpuDecoder(CausalLanguageModel model, KeyValueCache cache)
    {
        (_model, _config, _cache) = (model, model.Config, cache);
        var linear = model.LinearLayers().ToDictionary(layer => layer.Name, StringComparer.Ordinal);
        var parameters = model.named_parameters().ToDictionary(p => p.name, p => p.parameter, StringComparer.Ordinal);
        _embedding = Projection.Pointer(model.Decoder.Embedding);
        var name = _config.Spec.DecoderName;
        _norm = Projection.Pointer(parameters[$"{name}.norm.weight"]);
        _head = linear.TryGetValue(_config.Spec.HeadName, out var head) ? new Projection(head) : new Projection(model.Decoder.Embedding);
        _layers = [.. Enumerable.Range(0, _config.LayerCount).Select(i => ReadLayer($"{name}.layers.{i}", linear, parameters))];
        (_cosines, _sines) = model.Decoder.Kinds.RotaryOf(0)!.Range(0, Math.Min(cache.Capacity, _config.MaxPositions));
        _cosines.DetachFromDisposeScope();
        _sines.DetachFromDisposeScope();
        _cos = Projection.Pointer(_cosines);
        _sin = Projection.Pointer(_sines);

        long rows = cache.Rows, queries = (long)_config.HeadCount * _config.HeadSize, keys = (long)_config.KeyValueHeadCount * _config.HeadSize;
        // The products' filling included.
        long columns = NarrowProduct.PaddedColumns((int)rows);
        int hidden = _config.HiddenSize, inner = _config.IntermediateSize, rank = Math.Max(_head.Rank, _layers.Max(layer => layer.Rank));
        try
        {
            _projected = Allocate(rows * (queries + 2 * keys));
            _attended = Allocate(columns * NarrowProduct.Stride((int)queries));
            _activated = Allocate(columns * NarrowProduct.Stride(inner));
            _added = Allocate(rows * hidden);
            _logits = Allocate(rows * _config.VocabularySize);
            var members = (int)Math.Clamp(model.ComputedBytes / BytesPerThread, 1, get_num_threads());
            var numbers = _layers.Max(layer => layer.Numbers);
            _own = [.. Enumerable.Range(0, members).Select(_ => new Own(Allocate(rows * hidden), Allocate(columns * NarrowProduct.Stride(hidden)),
                Allocate(rows * inner), Allocate(rows * inner), Allocate(columns * rank), Allocate(columns * Projection.OutputsAtOnce), Allocate(numbers), Allocate(cache.Capacity)))];
            _team = new ThreadTeam(members, Work);
        }
        catch
        {
            Free();
            throw;
        }
    }

    /// <summary>Whether a model can be decoded this way, with the adapters it has now.</summary>
    /// <param name="model">The model.</param>
    /// <param name="capacity">Tokens of its longest sequence.</param>
    public static bool Handles(CausalLanguageModel model, long capacity) =>
        Computes(model.Config.Spec, capacity) && NarrowProduct.IsSupported && model.Placement.DType == ScalarType.Float32 && model.Placement.Device.type == TorchSharp.DeviceType.CPU
        && model.Config.HiddenSize >= NarrowProduct.Block
        && model.named_parameters().All(p => Projection.IsPlain(p.parameter)) && model.LinearLayers().All(Projection.Handles);

    // Llama, with any biases, scaling of rotary positions and names, and a window that reaches to the first token.
    private static bool Computes(DecoderSpec spec, long capacity)
    {
        var plain = new DecoderSpec();
        return spec.Rotary.Share == 1 && (spec.Window is not { } window || window >= capacity) && spec.WindowRotary is null && spec.LayersWithoutRotary.Count == 0
            && (spec with
            {
                Biases = plain.Biases,
                Rotary = plain.Rotary,
                Window = plain.Window,
                LayersWithoutWindow = plain.LayersWithoutWindow,
                DecoderName = plain.DecoderName,
                HeadName = plain.HeadName,
            }).DifferenceFrom(plain) is null;
    }

    /// <summary>Frees the threads and the memory.</summary>
    public void Dispose()
    {
        _team.Dispose();
        Free();
    }

    private void Free()
    {
        _cosines.Dispose();
        _sines.Dispose();
        foreach (var memory in _memory) NativeMemory.AlignedFree((void*)memory);
        _memory.Clear();
    }

    private static Layer ReadLayer(string name, Dictionary<string, LinearLayer> linear, Dictionary<string, Parameter> parameters)
    {
        Projection Of(string part) => new(linear[$"{name}.{part}"]);
        return new Layer
        {
            Query = Of("self_attn.q_proj"),
            Key = Of("self_attn.k_proj"),
            Value = Of("self_attn.v_proj"),
            Output = Of("self_attn.o_proj"),
            Gate = Of("mlp.gate_proj"),
            Up = Of("mlp.up_proj"),
            Down = Of("mlp.down_proj"),
            InputNorm = Projection.Pointer(parameters[$"{name}.input_layernorm.weight"]),
            PostAttentionNorm = Projection.Pointer(parameters[$"{name}.post_attention_layernorm.weight"]),
        };
    }

    // Zeroed: the padding of rows is never written.
    private float* Allocate(long count)
    {
        var bytes = (nuint)(4 * Math.Max(count, 1));
        var memory = (float*)NativeMemory.AlignedAlloc(bytes, 64);
        NativeMemory.Clear(memory, bytes);
        _memory.Add((nint)memory);
        return memory;
    }
}
