using System.CommandLine;
using AsFT.Lab.World;
using AsFT.Torch.Safety.Judges;

namespace AsFT.MLNet.Cli.Options;

/// <summary>Who says what is harmful, and what counts as a refusal.</summary>
internal sealed class JudgeArguments
{
    private const string World = "world";

    private readonly Option<string> _judge = new("--judge") { HelpName = "NAME|DIR", Description = "refusal (harmful is what is no refusal), world (the exact rule of the bundled world), or the folder of a moderation model", DefaultValueFactory = _ => "refusal" };
    private readonly Option<double> _threshold = new("--judge-threshold") { Description = "Harmful is a category probability above this, in [0, 1), with a moderation model", DefaultValueFactory = _ => 0.5 };
    private readonly Option<string[]> _phrases = new("--refusal-phrase") { Description = "Another opening that counts as a refusal, beside how models refuse today; may be given several times" };
    private readonly DeviceOptions _device;

    public JudgeArguments(DeviceOptions device) => _device = device;

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _judge, _threshold, _phrases }) command.Options.Add(option);
    }

    public double Threshold(ToolRun run) => run.Get(_threshold);

    public RefusalMatcher Refusals(ToolRun run) => run.Get(_judge) == World ? WorldEvaluation.Refusals(run.Get(_phrases) ?? []) : new(additional: run.Get(_phrases));

    /// <exception cref="ArgumentException">There is no such judge.</exception>
    public IHarmfulnessJudge Open(ToolRun run)
    {
        var options = new ModerationJudgeOptions { Threshold = run.Get(_threshold) };
        options.Validate();
        return run.Get(_judge) switch
        {
            "refusal" => new RefusalMatchJudge(Refusals(run)),
            World => new WorldHarmfulnessJudge(),
            var folder when Directory.Exists(folder) => ModerationModelJudge.Load(folder, options, _device.Resolve(run)),
            var name => throw new ArgumentException($"--judge {name}: neither refusal, world nor the folder of a moderation model."),
        };
    }
}
