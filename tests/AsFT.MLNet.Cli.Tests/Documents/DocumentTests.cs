using System.Xml.Linq;
using AsFT.MLNet.Cli.Output;

namespace AsFT.MLNet.Cli.Tests.Documents;

// What documents show is tried as it stands there. `.ci/run` runs what is marked `run`, and builds what is marked `compile` against the packages.
public sealed class DocumentTests
{
    private static readonly string[] Documents = ["README.md", "CONTRIBUTING.md", Path.Combine("benchmarks", "README.md")];

    private static readonly List<MarkdownBlock> Blocks = [.. Documents.SelectMany(MarkdownBlock.Read)];

    // Which marks a language may have.
    private static readonly Dictionary<string, string[]> Marks = new() { ["sh"] = ["run", "parse"], ["csharp"] = ["compile", "continue"] };

    public static TheoryData<string> All => [.. Blocks.Select(block => block.Place)];

    public static TheoryData<string> Shell => [.. Blocks.Where(block => block is { Language: "sh", Mark: "run" or "parse" }).Select(block => block.Place)];

    public static TheoryData<string> CSharp => [.. Blocks.Where(block => block is { Language: "csharp", Mark: "compile" or "continue" }).Select(block => block.Place)];

    [Theory]
    [MemberData(nameof(All))]
    public void Every_block_says_how_it_is_checked_or_why_it_is_not(string place)
    {
        var block = Find(place);
        if (block.Mark == "skip")
        {
            Assert.True(block.Reason.Split(' ').Length >= 3, $"{place}: 'skip' is followed by the reason");
            Assert.Skip($"{place}: {block.Reason}");
        }
        Assert.True(Marks.TryGetValue(block.Language, out var marks) && marks.Contains(block.Mark) && block.Reason.Length == 0,
            $"{place}: '```{block.Language} {block.Mark} {block.Reason}' is no known mark; wanted are 'sh run', 'sh parse', 'csharp compile', 'csharp continue', or any language with 'skip' and a reason");
    }

    [Theory]
    [MemberData(nameof(Shell))]
    public void The_tool_understands_every_command_line_that_is_shown(string place)
    {
        var block = Find(place);
        foreach (var line in ShellLines.Of(block.Text))
        {
            if (ShellLines.ToolArguments(line) is not { } arguments)
            {
                Assert.True(block.Mark == "run", $"{place}: '{line}' is no command line of the tool; only a block that is run may hold others");
                continue;
            }
            foreach (var words in ShellLines.Expand(arguments))
                Assert.True(Parse(words) is not { Count: > 0 } errors, $"{place}: 'asft {string.Join(' ', words)}': {string.Join(' ', Parse(words))}");
        }
    }

    [Theory]
    [MemberData(nameof(CSharp))]
    public void Every_program_that_is_shown_compiles_as_pasted(string place)
    {
        var at = Blocks.IndexOf(Find(place));
        var first = Blocks.FindLastIndex(at, block => block is { Language: "csharp", Mark: "compile" });
        Assert.True(first >= 0, $"{place}: there is no program before it to go on with");
        var parts = Blocks[first..(at + 1)].Where(block => block.Language == "csharp" && block.Mark != "skip").Select(block => block.Text).ToList();
        var errors = CSharpSample.Errors(parts.Count == 1 ? parts[0] : CSharpSample.Join(parts));
        Assert.True(errors.Count == 0, $"{place}: {string.Join('\n', errors)}");
    }

    [Fact]
    public void Every_program_names_its_packages_in_the_versions_of_this_repository()
    {
        var versions = XDocument.Load(Path.Combine(MarkdownBlock.Root, "Directory.Packages.props")).Descendants("PackageVersion")
            .ToDictionary(package => (string)package.Attribute("Include")!, package => (string)package.Attribute("Version")!);
        versions["AsFT.MLNet"] = versions["AsFT.Torch"] = XDocument.Load(Path.Combine(MarkdownBlock.Root, "Directory.Build.props")).Descendants("Version").Single().Value;
        foreach (var block in Blocks.Where(block => block is { Language: "csharp", Mark: "compile" }))
        {
            var packages = CSharpSample.Packages(block.Text);
            Assert.Contains(packages, package => package.Id == "AsFT.MLNet");
            Assert.All(packages, package => Assert.Equal($"{package.Id} {versions.GetValueOrDefault(package.Id)}", $"{package.Id} {package.Version}"));
        }
    }

    [Fact]
    public void What_may_be_left_out_and_what_may_be_chosen_are_both_tried()
    {
        Assert.Equal(
            ["eval", "eval --judge world", "eval --judge refusal"],
            ShellLines.Expand("eval [--judge world|refusal]").Select(words => string.Join(' ', words)));
        Assert.Equal(["finetune --out  a#b", "info c"], ShellLines.Of("finetune --out \\\na#b   # why\n\ninfo c"));
        Assert.NotEmpty(Parse(["eval", "--judg", "world"]));
        Assert.NotEmpty(CSharpSample.Errors("var ml = new MLContext();"));
    }

    private static MarkdownBlock Find(string place) => Blocks.Single(block => block.Place == place);

    private static List<string> Parse(string[] words)
    {
        var console = new ToolConsole(TextWriter.Null, TextWriter.Null, TextReader.Null);
        return [.. AsftTool.CreateRoot(console).Parse(words).Errors.Select(error => error.Message)];
    }
}
