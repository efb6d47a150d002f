namespace AsFT.Torch.Checkpoints;

/// <summary>Names of the files of a model folder that its answers depend on, besides the weights.</summary>
internal static class ModelFiles
{
    /// <summary>Where a folder may have its chat template.</summary>
    public static IReadOnlyList<string> Templates { get; } = ["chat_template.jinja", "chat_template.json"];

    /// <summary>What the readers of configuration, tokenizer and chat template look at.</summary>
    public static IReadOnlyList<string> BesideWeights { get; } =
    [
        .. Templates, "added_tokens.json", "config.json", "generation_config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
    ];

    /// <summary>What <see cref="CheckpointFingerprint"/> reads: as in version 0.1, whose adapters and directions hold its hashes.</summary>
    public static IReadOnlyList<string> Fingerprinted { get; } = [.. BesideWeights.Where(name => name != "chat_template.json"), "merges.txt", "vocab.json"];
}
