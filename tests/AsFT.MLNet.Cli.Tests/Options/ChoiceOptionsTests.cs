namespace AsFT.MLNet.Cli.Tests.Options;

public sealed class ChoiceOptionsTests
{
    [Theory]
    [InlineData("finetune", "--preset", "gard", "did you mean guard? It takes guard, paper.")]
    [InlineData("finetune", "--projection", "subspcae", "did you mean subspace?")]
    [InlineData("finetune", "--schedule", "warm", "there is no such choice. It takes constant, cosine, cosine-with-min-lr, cosine-with-restarts, inverse-sqrt, linear, polynomial, step-per-epoch, warmup-stable-decay.")]
    [InlineData("finetune", "--overlong", "cut", "It takes drop, refuse, truncate.")]
    [InlineData("generate", "--dtype", "bfloat", "It takes auto, bfloat16, float16, float32, float64.")]
    [InlineData("eval", "--task-rule", "lable", "did you mean label?")]
    [InlineData("basin", "--storage", "disk", "It takes device, host, streamed.")]
    public async Task A_word_that_is_no_choice_is_told_with_its_option_and_the_choices(string command, string option, string word, string words) =>
        // Though options that are needed are missing: what was typed wrong goes first.
        Tool.AssertFailed(await Tool.Run(command, option, word), ExitCode.Usage, $"{option} {word}: ", words);

    [Fact]
    public async Task A_template_that_is_not_there_is_told_with_its_option() =>
        Tool.AssertFailed(await Tool.Run("generate", "--model", Tool.AlignedModel, "--prompt", "Once", "--template", "chatlm"), ExitCode.Usage, "--template chatlm: ", "known are auto, llama2");
}
