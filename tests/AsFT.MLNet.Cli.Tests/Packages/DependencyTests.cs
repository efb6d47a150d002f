using AsFT.Lab.World;
using AsFT.Torch.Models;
using Mono.Cecil;

namespace AsFT.MLNet.Cli.Tests.Packages;

/// <summary>Dependencies point one way, between packages and between the rooms of the engine; read from the compiled code.</summary>
public sealed class DependencyTests
{
    // Each room sees those before it.
    private static readonly string[] Rooms = ["Runtime", "Input", "Checkpoints", "Tokenization", "Chat", "Models", "Adapters", "Alignment", "Generation", "Training", "Safety"];

    [Fact]
    public void The_engine_knows_nothing_of_ML_NET_and_neither_it_nor_ML_NETs_surface_of_the_experiments()
    {
        Assert.DoesNotContain(References(typeof(CausalLanguageModel)), name => name is "AsFT.Lab" or "AsFT.MLNet" or "Microsoft.ML.Core" or "Microsoft.ML.Data");
        Assert.DoesNotContain(References(typeof(WorldBuilder)), name => name is "AsFT.MLNet" or "Microsoft.ML.Core" or "Microsoft.ML.Data");
        Assert.DoesNotContain("AsFT.Lab", References(typeof(AsftFineTuneOptions)));

        static string[] References(Type one) => [.. one.Assembly.GetReferencedAssemblies().Select(name => name.Name!)];
    }

    [Fact]
    public void No_room_of_the_engine_looks_back()
    {
        using var module = ModuleDefinition.ReadModule(typeof(CausalLanguageModel).Assembly.Location);
        var found = new SortedSet<string>(StringComparer.Ordinal);
        var read = 0;
        foreach (var type in module.GetTypes())
        {
            if (Room(type) is not { } own) continue;
            read++;
            foreach (var seen in Seen(type))
                if (Room(seen) is { } other && Array.IndexOf(Rooms, other) > Array.IndexOf(Rooms, own)) found.Add($"{Outermost(type).FullName} sees {seen.FullName}");
        }
        Assert.True(read > 200, $"{read} types read");
        Assert.True(found.Count == 0, string.Join('\n', found));
    }

    private static IEnumerable<TypeReference> Seen(TypeDefinition type)
    {
        var direct = type.Interfaces.Select(i => i.InterfaceType).Append(type.BaseType)
            .Concat(type.Fields.Select(field => field.FieldType))
            .Concat(type.Methods.SelectMany(method => method.Parameters.Select(parameter => parameter.ParameterType).Append(method.ReturnType)))
            .Concat(type.Methods.Where(method => method.HasBody).SelectMany(method => method.Body.Instructions).Select(instruction => instruction.Operand).SelectMany(operand => operand switch
            {
                TypeReference seen => [seen],
                FieldReference field => [field.DeclaringType, field.FieldType],
                MethodReference method => [method.DeclaringType, method.ReturnType, .. method is GenericInstanceMethod generic ? generic.GenericArguments : []],
                _ => Array.Empty<TypeReference>(),
            }));
        return direct.OfType<TypeReference>().SelectMany(Parts);
    }

    private static IEnumerable<TypeReference> Parts(TypeReference type) => type switch
    {
        GenericInstanceType generic => [generic.ElementType, .. generic.GenericArguments.SelectMany(Parts)],
        TypeSpecification wrapped => Parts(wrapped.ElementType),
        _ => [type],
    };

    private static string? Room(TypeReference type) => Outermost(type).Namespace is { } name && name.StartsWith("AsFT.Torch.", StringComparison.Ordinal) ? name.Split('.')[2] : null;

    private static TypeReference Outermost(TypeReference type) => type.DeclaringType is { } outer ? Outermost(outer) : type;
}
