using AsFT.Lab.Basin;
using AsFT.Lab.Methods.Lisa;

namespace AsFT.Lab.Tests;

public sealed class OptionTests
{
    [Fact]
    public void A_number_that_float32_loses_is_refused_with_its_name()
    {
        Assert.Equal("ProximalWeight", Assert.Throws<ArgumentOutOfRangeException>(() => new LisaOptions { ProximalWeight = 1e38 }.Validate()).ParamName);
        Assert.Equal("To", Assert.Throws<ArgumentOutOfRangeException>(() => new BasinOptions { To = 1e30 }.Validate()).ParamName);
    }

    [Fact]
    public void Every_default_is_allowed()
    {
        new LisaOptions().Validate();
        new BasinOptions().Validate();
    }
}
