using AsFT.Torch.Models.Families;

namespace AsFT.Torch.Models;

/// <summary>A decoder's shape, its special tokens and its labels, as in Hugging Face's <c>config.json</c>.</summary>
public sealed record ModelConfig
{
    /// <summary><c>model_type</c>, one of <see cref="ModelTypes"/>.</summary>
    public string ModelType { get; init; } = "llama";

    /// <summary>Rows of the embedding (<c>vocab_size</c>).</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Width of the residual stream (<c>hidden_size</c>).</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width inside the gated MLP (<c>intermediate_size</c>).</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Number of decoder layers (<c>num_hidden_layers</c>).</summary>
    public required int LayerCount { get; init; }

    /// <summary>Query heads (<c>num_attention_heads</c>).</summary>
    public required int HeadCount { get; init; }

    /// <summary>Key and value heads (<c>num_key_value_heads</c>); a divisor of <see cref="HeadCount"/>.</summary>
    public required int KeyValueHeadCount { get; init; }

    /// <summary>Width of one head; <c>head_dim</c>, or hidden size / heads. Even.</summary>
    public required int HeadSize { get; init; }

    /// <summary>Longest sequence (<c>max_position_embeddings</c>), in tokens.</summary>
    public int MaxPositions { get; init; } = 2048;

    /// <summary>Added to the mean square before its root (<c>rms_norm_eps</c>).</summary>
    public double RmsNormEpsilon { get; init; } = 1e-6;

    /// <summary>What the decoder computes with these sizes.</summary>
    internal DecoderSpec Spec { get; init; } = new();

    /// <summary>Whether the head's weight is the embedding's (<c>tie_word_embeddings</c>).</summary>
    public bool TieWordEmbeddings { get; init; }

    /// <summary>Token that begins a sequence; null when there is none, or one outside the vocabulary, which has no embedding.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>Tokens that end a generated answer; those of <c>generation_config.json</c> alone when it names any. Ones outside the vocabulary are left out.</summary>
    public IReadOnlyList<int> EosTokenIds { get; init; } = [];

    /// <summary>Padding token; null when there is none, or one outside the vocabulary (LLaMA 1 conversions), which has no embedding.</summary>
    public int? PadTokenId { get; init; }

    /// <summary>Class names by index, of a sequence classifier (<c>id2label</c>); empty otherwise.</summary>
    public IReadOnlyList<string> Labels { get; init; } = [];

    /// <summary><c>multi_label_classification</c>, <c>single_label_classification</c>, <c>regression</c> or null.</summary>
    public string? ProblemType { get; init; }

    /// <summary>First entry of <c>architectures</c>, for instance <c>LlamaForCausalLM</c>.</summary>
    public string? Architecture { get; init; }

    /// <summary>How the linear layers are stored (<c>quantization_config</c>): dense, or as bitsandbytes quantised them. It is not written: what is saved here is dense.</summary>
    public WeightFormat StoredFormat { get; init; }

    /// <summary>Names of <c>model_type</c> that are computed.</summary>
    public static IReadOnlyList<string> ModelTypes { get; } = [.. ModelFamily.ModelTypes];

    /// <summary>Reads <c>config.json</c> in <paramref name="folder"/>, and the end tokens of <c>generation_config.json</c> when it is there.</summary>
    /// <param name="folder">A Hugging Face model folder.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">The file is missing or damaged, or describes a model that this decoder does not compute.</exception>
    public static ModelConfig Load(string folder) => ModelConfigReader.Load(folder);

    /// <summary>Writes <c>config.json</c> in <paramref name="folder"/>, as Hugging Face transformers reads it.</summary>
    /// <param name="folder">The model folder; made when missing.</param>
    /// <exception cref="InvalidOperationException">The model's family has no field for what <see cref="Spec"/> asks.</exception>
    public void Save(string folder) => ModelConfigWriter.Save(this, folder);
}
