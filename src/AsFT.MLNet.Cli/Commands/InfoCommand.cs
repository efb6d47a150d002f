using System.CommandLine;
using AsFT.MLNet.Cli.Inspection;
using AsFT.MLNet.Cli.Output;

namespace AsFT.MLNet.Cli.Commands;

/// <summary><c>asft info PATH</c>: what a file or folder is, and what is wrong with it.</summary>
internal sealed class InfoCommand : ToolCommand
{
    private static readonly Argument<string> PathArgument = new("PATH") { Description = "A model folder, adapter folder, safetensors file, alignment direction or model.zip" };

    public InfoCommand() : base("info", "Say what a model folder, adapter, safetensors file, alignment direction or model.zip holds, and what is wrong with it") =>
        Arguments.Add(PathArgument);

    protected override bool NeedsLibtorch => false;

    protected override int Run(ToolRun run)
    {
        var report = Inspector.Inspect(run.Get(PathArgument));
        run.Say($"{report.Path}: {report.Kind}, {Sizes.Format(report.Bytes)}");
        foreach (var (name, value) in report.Facts) run.Say($"  {name,-20} {Sizes.FormatFact(value)}", hanging: 4);
        if (report.Tensors.Count > 0)
        {
            var table = new ResultTable("tensor", "format", "shape", "count");
            foreach (var group in report.Tensors)
                table.AddRow(group.Name, group.DType, string.Join(" × ", group.Shape), $"{group.Count}");
            run.Say(table);
        }
        foreach (var problem in report.Problems) run.Say($"problem: {problem}", hanging: 2);
        run.SayJson(report);
        if (report.Problems.Count == 0) return ExitCode.Success;
        run.Warn($"asft info: {report.Problems.Count} problem{(report.Problems.Count == 1 ? "" : "s")} in '{report.Path}': {report.Problems[0]}");
        return ExitCode.Failure;
    }
}
