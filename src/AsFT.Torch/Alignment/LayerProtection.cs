using AsFT.Torch.Adapters;

namespace AsFT.Torch.Alignment;

/// <summary>A run is never unprotected in silence: every adapted layer has a direction, or was excused by name.</summary>
/// <param name="direction">The alignment direction.</param>
/// <param name="layers">The adapted layers.</param>
/// <param name="excused">Names or suffixes of layers that may go unprotected.</param>
internal sealed class LayerProtection(AlignmentDirection direction, IReadOnlyList<LoraLayer> layers, IReadOnlyList<string> excused)
{
    private readonly List<string> _faults = [];

    /// <summary>The layers whose direction has their shape; the others are at fault, or excused.</summary>
    public IReadOnlyList<LoraLayer> Fitting() => [.. layers.Where(layer =>
    {
        var found = direction.FindLayer(layer.Name);
        if (found is null) return Missing(layer, "has no alignment direction");
        var (outFeatures, inFeatures) = (layer.B.shape[0], layer.A.shape[1]);
        if ((outFeatures, inFeatures) == (found.OutFeatures, found.InFeatures)) return true;
        _faults.Add($"'{layer.Name}' is {outFeatures} × {inFeatures}, its direction {found.OutFeatures} × {found.InFeatures}");
        return false;
    })];

    /// <summary>Whether D of a layer protects it; it is at fault, or excused, where D = 0.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="norm">‖D‖_F.</param>
    public bool Isolates(LoraLayer layer, double norm)
    {
        if (norm == 0) return Missing(layer, "has a direction of 0 (aligned and base weights are equal)");
        if (double.IsFinite(norm)) return true;
        _faults.Add($"'{layer.Name}' has a direction with values that are not finite");
        return false;
    }

    /// <summary>Ends the search.</summary>
    /// <exception cref="InvalidOperationException">Layers are unprotected or do not fit their direction; names all of them.</exception>
    public void Require()
    {
        if (_faults.Count == 0) return;
        throw new InvalidOperationException(
            $"The alignment direction cannot protect {_faults.Count} of {layers.Count} adapted layers: {string.Join("; ", _faults)}. " +
            "Build the direction from models in which these layers differ, adapt other layers, or name those that may go unprotected in UnprotectedLayers.");
    }

    private bool Missing(LoraLayer layer, string why)
    {
        if (!excused.Any(name => TargetModules.Matches(layer.Name, name))) _faults.Add($"'{layer.Name}' {why}");
        return false;
    }
}
