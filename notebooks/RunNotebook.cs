#!/usr/bin/env dotnet
// Runs a notebook's C# cells in .NET Interactive's own kernel, as Polyglot Notebooks does, and ends with 1 at the first that fails:
//     dotnet run RunNotebook.cs NOTEBOOK.ipynb [FROM=>TO ...]
// FROM=>TO replaces text of the cells, such as the folder that holds the packages.
#:package Microsoft.DotNet.Interactive@1.0.0-beta.26120.1
#:package Microsoft.DotNet.Interactive.CSharp@1.0.0-beta.26120.1
#:package Microsoft.DotNet.Interactive.PackageManagement@1.0.0-beta.26120.1
#:property ManagePackageVersionsCentrally=false
#:property PublishAot=false
using System.Diagnostics;
using System.Text.Json.Nodes;
using Microsoft.DotNet.Interactive;
using Microsoft.DotNet.Interactive.Commands;
using Microsoft.DotNet.Interactive.CSharp;
using Microsoft.DotNet.Interactive.Events;
using Microsoft.DotNet.Interactive.PackageManagement;

if (args.Length == 0)
{
    Console.Error.WriteLine("Usage: dotnet run RunNotebook.cs NOTEBOOK.ipynb [FROM=>TO ...]");
    return 2;
}
var notebook = Path.GetFullPath(args[0]);
var replacements = args.Skip(1).Select(argument => argument.Split("=>", 2)).ToList();
// Cells name files from where they lie.
Environment.CurrentDirectory = Path.GetDirectoryName(notebook)!;
var csharp = new CSharpKernel().UseKernelHelpers().UseWho().UseNugetDirective((kernel, packages) =>
{
    kernel.AddAssemblyReferences(packages.SelectMany(package => package.AssemblyPaths));
    return Task.CompletedTask;
});
using var kernel = new CompositeKernel { csharp };
kernel.DefaultKernelName = "csharp";

var number = 0;
foreach (var cell in JsonNode.Parse(File.ReadAllText(notebook))!["cells"]!.AsArray().Where(cell => (string?)cell!["cell_type"] == "code"))
{
    var code = string.Concat(cell!["source"]!.AsArray().Select(line => (string?)line));
    foreach (var replacement in replacements) code = code.Replace(replacement[0], replacement[1]);
    var watch = Stopwatch.StartNew();
    var result = await kernel.SendAsync(new SubmitCode(code));
    foreach (var output in result.Events.OfType<StandardOutputValueProduced>()) Console.Write(output.FormattedValues.First().Value);
    foreach (var error in result.Events.OfType<ErrorProduced>()) Console.Error.WriteLine(error.Message);
    var failure = result.Events.OfType<CommandFailed>().FirstOrDefault();
    Console.WriteLine($"cell {++number}: {(failure is null ? "ok" : "failed")} in {watch.Elapsed.TotalSeconds:F1} s");
    if (failure is null) continue;
    Console.Error.WriteLine(failure.Message);
    return 1;
}
return 0;
