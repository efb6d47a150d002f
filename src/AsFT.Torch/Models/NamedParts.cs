using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Models;

/// <summary>Exists only to give weights the names they have in the checkpoint.</summary>
internal sealed class NamedParts : nn.Module
{
    private NamedParts() : base(nameof(NamedParts))
    {
    }

    /// <summary>A weight under a name.</summary>
    public static NamedParts Of(string name, Parameter weight)
    {
        var parts = new NamedParts();
        parts.register_parameter(name, weight);
        return parts;
    }

    /// <summary>Modules under their numbers.</summary>
    public static NamedParts Of(IReadOnlyList<nn.Module> modules)
    {
        var parts = new NamedParts();
        for (var i = 0; i < modules.Count; i++) parts.register_module($"{i}", modules[i]);
        return parts;
    }

    /// <summary>Puts modules below a root, each under a name that may have dots; modules whose names begin alike share what is above them.</summary>
    public static IEnumerable<(string Name, nn.Module Module)> Tree(params IEnumerable<(string Name, nn.Module Module)> modules)
    {
        foreach (var group in modules.GroupBy(module => module.Name.Split('.')[0]))
        {
            if (group.First().Name == group.Key)
            {
                yield return group.Single();
                continue;
            }
            var parts = new NamedParts();
            foreach (var (name, module) in Tree(group.Select(m => (m.Name[(group.Key.Length + 1)..], m.Module)))) parts.register_module(name, module);
            yield return (group.Key, parts);
        }
    }

    /// <summary>Nothing: the parts are registered by hand.</summary>
    protected override void RegisterComponents()
    {
    }
}
