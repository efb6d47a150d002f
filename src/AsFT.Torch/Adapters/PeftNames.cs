namespace AsFT.Torch.Adapters;

/// <summary>
/// Names of layers as PEFT has them: those of the modules of transformers, which since 4.52 differ from those of the tensors in checkpoints of
/// multimodal models.
/// </summary>
internal static class PeftNames
{
    private static readonly (string Checkpoint, string Module)[] Renamed =
    [
        ("language_model.model.", "model.language_model."),
        ("language_model.lm_head", "lm_head"),
    ];

    /// <summary>PEFT's name of a layer.</summary>
    public static string Of(string layerName)
    {
        foreach (var (checkpoint, module) in Renamed)
            if (layerName.StartsWith(checkpoint, StringComparison.Ordinal)) return module + layerName[checkpoint.Length..];
        return layerName;
    }

    /// <summary>The name in the checkpoint of a layer of a multimodal model.</summary>
    public static string InCheckpoint(string peftName)
    {
        foreach (var (checkpoint, module) in Renamed)
            if (peftName.StartsWith(module, StringComparison.Ordinal)) return checkpoint + peftName[module.Length..];
        return peftName;
    }
}
