using AsFT.Lab.World;
using AsFT.MLNet.Cli.Tests.Documents;
using AsFT.Torch.Models;

namespace AsFT.MLNet.Cli.Tests.Packages;

/// <summary>What a package promises to its users is listed beside its project, so that a change of it is seen and meant.</summary>
public sealed class PublicTypesTests
{
    [Theory]
    [InlineData("AsFT.Torch", typeof(CausalLanguageModel))]
    [InlineData("AsFT.MLNet", typeof(AsftFineTuneOptions))]
    [InlineData("AsFT.Lab", typeof(WorldBuilder))]
    public void The_public_types_of_a_package_are_those_of_its_list(string package, Type one)
    {
        var file = Path.Combine(MarkdownBlock.Root, "src", package, "PublicTypes.txt");
        string[] now = [.. one.Assembly.GetExportedTypes().Select(type => type.FullName!.Replace('+', '.')).Order(StringComparer.Ordinal)];
        string[] listed = File.ReadAllLines(file);
        var changes = now.Except(listed).Select(type => $"+ {type}").Concat(listed.Except(now).Select(type => $"- {type}")).ToList();
        Assert.True(changes.Count == 0, $"The public types of {package} changed; write the change into '{file}' where it is meant:\n{string.Join('\n', changes)}");
        Assert.Equal(now, listed);
    }
}
