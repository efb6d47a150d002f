using Mono.Cecil;
using Mono.Cecil.Cil;
using ILInstruction = Mono.Cecil.Cil.Instruction;

namespace AsFT.MLNet.Cli.Tests;

/// <summary>
/// A TorchSharp Scalar that nothing refers to may be freed while libtorch reads it, which fails once in some thousand runs of
/// the whole and never where one looks. So this reads the compiled code instead of waiting for it.
/// </summary>
public sealed class HeldScalarsTests
{
    private const string Scalar = "TorchSharp.Scalar";

    [Fact]
    public void No_tensor_operation_gets_a_number_that_a_collection_may_free()
    {
        var makers = Makers();
        Assert.Contains(makers, name => name.Contains("Tensor::add_(TorchSharp.Scalar)", StringComparison.Ordinal));
        Assert.DoesNotContain(makers, name => name.Contains("Tensor::add_(TorchSharp.Scalar,TorchSharp.Scalar)", StringComparison.Ordinal));

        var read = 0;
        var found = new List<string>();
        foreach (var file in OurAssemblies())
        {
            using var module = ModuleDefinition.ReadModule(file, new ReaderParameters { ReadSymbols = true });
            foreach (var method in Bodies(module))
            {
                read++;
                found.AddRange(from call in method.Body.Instructions
                               where call.Operand is MethodReference
                               let called = ((MethodReference)call.Operand).GetElementMethod()
                               where makers.Contains(called.FullName) || (IsConversion(called) && !IsHeld(call, method.Body))
                               select $"{Place(method, call)} {called.DeclaringType.Name}.{called.Name}");
            }
        }
        Assert.True(read > 1000, $"{read} methods read");
        Assert.True(found.Count == 0, string.Join('\n', found));
    }

    // The methods of TorchSharp that make a scalar themselves, or call one that does.
    private static HashSet<string> Makers()
    {
        using var torchSharp = ModuleDefinition.ReadModule(Path.Combine(AppContext.BaseDirectory, "TorchSharp.dll"));
        var calls = Bodies(torchSharp).Where(m => m.DeclaringType.FullName != Scalar)
            .ToDictionary(m => m.FullName, m => m.Body.Instructions.Select(i => i.Operand).OfType<MethodReference>().Select(r => r.GetElementMethod()).ToList());
        var makers = calls.Where(c => c.Value.Any(IsConversion)).Select(c => c.Key).ToHashSet();
        for (var known = 0; known < makers.Count;)
        {
            known = makers.Count;
            makers.UnionWith(calls.Where(c => c.Value.Any(r => makers.Contains(r.FullName))).Select(c => c.Key).ToList());
        }
        return makers;
    }

    private static bool IsConversion(MethodReference method) =>
        method.ReturnType.FullName == Scalar && (method.Name == "op_Implicit" || method.Name.StartsWith("ToScalar", StringComparison.Ordinal));

    // Kept in a field, or in a local that is disposed of at the end: the last use of a local that is not ends its life.
    private static bool IsHeld(ILInstruction conversion, MethodBody body)
    {
        var next = conversion.Next;
        if (next.OpCode.Code is Code.Stfld or Code.Stsfld) return true;
        return StoredIn(next, body) is { } local && body.Instructions.Any(i => LoadedFrom(i, body) == local
            && i.Next is { OpCode.Code: Code.Callvirt, Operand: MethodReference { Name: "Dispose" } });
    }

    private static VariableDefinition? StoredIn(ILInstruction i, MethodBody body) => i.OpCode.Code switch
    {
        >= Code.Stloc_0 and <= Code.Stloc_3 => body.Variables[i.OpCode.Code - Code.Stloc_0],
        Code.Stloc or Code.Stloc_S => (VariableDefinition)i.Operand,
        _ => null,
    };

    private static VariableDefinition? LoadedFrom(ILInstruction i, MethodBody body) => i.OpCode.Code switch
    {
        >= Code.Ldloc_0 and <= Code.Ldloc_3 => body.Variables[i.OpCode.Code - Code.Ldloc_0],
        Code.Ldloc or Code.Ldloc_S => (VariableDefinition)i.Operand,
        _ => null,
    };

    private static IEnumerable<MethodDefinition> Bodies(ModuleDefinition module) => module.GetTypes().SelectMany(t => t.Methods).Where(m => m.HasBody);

    private static IEnumerable<string> OurAssemblies() => Directory.EnumerateFiles(AppContext.BaseDirectory, "*.dll")
        .Where(f => Path.GetFileName(f) is var name && (name == "asft.dll" || (name.StartsWith("AsFT.", StringComparison.Ordinal) && !name.Contains(".Tests", StringComparison.Ordinal))));

    private static string Place(MethodDefinition method, ILInstruction call)
    {
        var line = method.DebugInformation.SequencePoints.LastOrDefault(s => s.Offset <= call.Offset && !s.IsHidden);
        return line is null ? method.FullName : $"{Path.GetFileName(line.Document.Url)}:{line.StartLine}";
    }
}
