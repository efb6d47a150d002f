using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace AsFT.MLNet.Cli.Tests.Documents;

/// <summary>C# of a document, compiled as <c>dotnet run file.cs</c> compiles it, against the assemblies that the tests run on.</summary>
internal static partial class CSharpSample
{
    // What the SDK gives a program without being asked.
    private const string ImplicitUsings =
        "global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq; global using System.Net.Http; global using System.Threading; global using System.Threading.Tasks;";

    private static readonly CSharpParseOptions Options = CSharpParseOptions.Default.WithLanguageVersion(LanguageVersion.Latest).WithFeatures([new("FileBasedProgram", "true")]);

    private static readonly Lazy<MetadataReference[]> References = new(() =>
        [.. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(path => MetadataReference.CreateFromFile(path))]);

    /// <summary>What the compiler objects to; each with the line of the text.</summary>
    public static IReadOnlyList<string> Errors(string text)
    {
        var compilation = CSharpCompilation.Create("sample", [Parse(text), Parse(ImplicitUsings)], References.Value,
            new CSharpCompilationOptions(OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable, allowUnsafe: false));
        return [.. compilation.GetDiagnostics().Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error).Select(diagnostic => diagnostic.ToString())];
    }

    /// <summary>A program and what goes on where it ends: usings, statements, then types, as the language wants them.</summary>
    public static string Join(IEnumerable<string> parts)
    {
        var roots = parts.Select(part => (CompilationUnitSyntax)Parse(part).GetRoot()).ToList();
        return string.Join('\n',
            roots.SelectMany(root => root.Usings).Select(use => use.WithoutLeadingTrivia().ToFullString())
                .Concat(roots.SelectMany(root => root.Members.OfType<GlobalStatementSyntax>()).Select(statement => statement.ToFullString()))
                .Concat(roots.SelectMany(root => root.Members.Where(member => member is not GlobalStatementSyntax)).Select(member => member.ToFullString())));
    }

    /// <summary>The packages that a program names: <c>#:package ID@VERSION</c>.</summary>
    public static IReadOnlyList<(string Id, string Version)> Packages(string text) =>
        [.. PackageLine().Matches(text).Select(match => (match.Groups[1].Value, match.Groups[2].Value))];

    private static SyntaxTree Parse(string text) => CSharpSyntaxTree.ParseText(text, Options);

    [GeneratedRegex(@"^#:package (\S+?)@(\S+)$", RegexOptions.Multiline)]
    private static partial Regex PackageLine();
}
