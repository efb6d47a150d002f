namespace AsFT.MLNet.Cli.Tests;

public sealed class SuggestionTests
{
    [Theory]
    [InlineData("There is no command 'fintune'; did you mean finetune?", "fintune")]
    [InlineData("There is no command 'Quickstrat'; did you mean quickstart?", "Quickstrat")]
    [InlineData("There is no command 'biuld'; did you mean build?", "world", "biuld")]
    // What the library calls it, what other tools call it, and slips of the finger.
    [InlineData("There is no option '--learning-rate'; did you mean --lr?", "finetune", "--learning-rate", "1e-4")]
    [InlineData("There is no option '--learning_rate=1e-4'; did you mean --lr?", "finetune", "--learning_rate=1e-4")]
    [InlineData("There is no option '--lora-alpha'; did you mean --alpha?", "finetune", "--lora-alpha", "16")]
    [InlineData("There is no option '--model'; did you mean --aligned?", "finetune", "--model", "x")]
    [InlineData("There is no option '--lamda'; did you mean --lambda?", "finetune", "--lamda", "1")]
    [InlineData("There is no option '-lambda'; did you mean --lambda?", "finetune", "-lambda", "1")]
    [InlineData("There is no option '—lambda'; did you mean --lambda?", "finetune", "—lambda", "1")]
    [InlineData("There is no option '--n-predict'; did you mean --max-new-tokens?", "generate", "--model", "x", "--n-predict", "5")]
    [InlineData("There is no option '--verbos'; did you mean --verbose?", "info", "x", "--verbos")]
    [InlineData("There is no option '--quik'; did you mean --quick?", "compare", "--json", "--quik")]
    public async Task A_wrong_word_is_told_with_the_one_that_was_meant(string line, params string[] args) =>
        Tool.AssertFailed(await Tool.Run(args), ExitCode.Usage, line);

    [Theory]
    [InlineData("There is no command 'dance'. ", "dance")]
    [InlineData("There is no option '--bogus'. ", "info", "x", "--bogus")]
    public async Task A_word_that_is_like_none_gets_no_guess(string line, params string[] args) =>
        Tool.AssertFailed(await Tool.Run(args), ExitCode.Usage, line);

    [Theory]
    [InlineData("abc", "abc", 0)]
    [InlineData("abc", "acb", 1)]
    [InlineData("kitten", "sitting", 3)]
    [InlineData("", "ab", 2)]
    public void Distance_counts_letters(string a, string b, int distance) => Assert.Equal(distance, Suggestion.Distance(a, b));

    [Theory]
    [InlineData("info", "meta-llama/Llama-2-7b")]
    [InlineData("generate", "--prompt", "x", "--model", "meta-llama/Llama-2-7b")]
    [InlineData("finetune", "--data", "x", "--out", "y", "--aligned", "meta-llama/Llama-2-7b", "--base", "b")]
    [InlineData("direction", "--out", "y", "--base", "b", "--aligned", "meta-llama/Llama-2-7b")]
    public async Task A_name_on_the_Hub_is_told_how_to_become_a_folder(params string[] args) =>
        Tool.AssertFailed(await Tool.Run(args), ExitCode.Failure, "hf download meta-llama/Llama-2-7b --local-dir Llama-2-7b");
}
