/**
 * What customers ask an invented shop, Bluebird Teas, and what it answers. Each block: English questions, answer,
 * Chinese questions, answer. The last two questions of a line are kept for the evaluation; what a right answer must
 * contain stands in [ ].
 */
const TEXT = `
When do you open? | What are your opening hours? | Are you open now? | Opening times? | When is the shop open? | Until when are you open? | Which hours are you open? | Can you tell me your opening hours?
We are open from Monday to Saturday, [9 to 18] o'clock.
你们几点开门？ | 营业时间是什么时候？ | 你们现在开门吗？ | 营业时间？ | 商店什么时候营业？ | 你们营业到几点？ | 请告诉我营业时间。 | 你们的营业时间是几点到几点？
我们星期一到星期六营业，[9点到18点]。

Are you open on Sunday? | Do you open on Sundays? | Can I come on Sunday? | Is the shop open on Sunday? | Sunday opening? | Are you closed on Sunday? | Is it possible to come on Sunday? | What about Sunday?
On Sunday we are [closed].
你们星期日开门吗？ | 星期日营业吗？ | 我星期日可以来吗？ | 星期天开门吗？ | 星期天营业吗？ | 星期日休息吗？ | 星期日能来买茶吗？ | 那星期日呢？
星期日我们[休息]。

How much is shipping? | What does shipping cost? | Shipping costs? | How much do I pay for delivery? | What is the price of shipping? | Is shipping free? | How expensive is shipping? | What do you charge for delivery?
Shipping costs 4 euros and is free [from 40 euros].
运费多少钱？ | 邮费是多少？ | 运费怎么算？ | 送货要多少钱？ | 寄送费用是多少？ | 包邮吗？ | 快递费贵不贵？ | 配送收多少钱？
运费4欧元，[满40欧元]免运费。

How long does shipping take? | When will my order arrive? | How fast do you ship? | How many days does delivery take? | When do I get my tea? | Delivery time? | How soon will my parcel arrive? | How long do I wait for my order?
Your order arrives in [three days].
送货要多久？ | 我的订单什么时候到？ | 你们发货快吗？ | 要等几天？ | 茶什么时候能到？ | 配送时间？ | 包裹多久能到？ | 下单后要等多久？
您的订单[三天内]送到。

Do you ship abroad? | Can you send tea to other countries? | Do you deliver to France? | Is international shipping possible? | Do you ship to China? | Do you send parcels abroad? | Can you ship to another country? | Do you deliver outside the country?
Yes, we ship to [all of Europe] and to China.
你们寄到国外吗？ | 可以寄到其他国家吗？ | 能送到法国吗？ | 可以国际配送吗？ | 能寄到中国吗？ | 国外能买吗？ | 可以发往别的国家吗？ | 你们往国外送货吗？
可以，我们寄到[整个欧洲]和中国。

Can I return my order? | How do I return something? | What is your return policy? | May I send it back? | Returns? | Can I get my money back? | Is it possible to return tea? | How long can I return an order?
You can return unopened tea [within 30 days].
可以退货吗？ | 怎么退货？ | 退货规定是什么？ | 能寄回去吗？ | 退货？ | 能退钱吗？ | 茶叶可以退吗？ | 多久之内能退货？
没有打开的茶[30天内]可以退。

How can I pay? | Which payments do you accept? | Do you take credit cards? | Can I pay cash? | Payment methods? | Can I pay by card? | What ways to pay are there? | How may I pay for my order?
You can pay by [card, cash or invoice].
怎么付款？ | 你们接受哪些付款方式？ | 可以刷卡吗？ | 可以付现金吗？ | 付款方式？ | 能用银行卡吗？ | 有哪些付款办法？ | 我可以怎样付钱？
您可以用[银行卡、现金或账单]付款。

Where is your shop? | What is the address of the shop? | Where can I find you? | How do I find the shop? | Shop address? | In which street are you? | Where exactly is your shop? | Which street is the shop in?
The shop is at [5 Garden Street].
你们的店在哪里？ | 商店地址是什么？ | 在哪里能找到你们？ | 怎么找到店？ | 店的地址？ | 你们在哪条街？ | 店具体在哪儿？ | 商店在哪条街上？
商店在[花园街5号]。

How can I reach you? | What is the phone number of the shop? | How do I contact you? | Can I call you? | Contact? | What is your email? | How do I get in touch with you? | Which number can I call?
Call us at [555 2040] or write to us.
怎么联系你们？ | 商店的电话是多少？ | 怎样和你们联系？ | 可以打电话吗？ | 联系方式？ | 你们的邮箱是什么？ | 如何能联系上你们？ | 打哪个电话找你们？
请打电话[555 2040]，或给我们写信。

How much is green tea? | What does the green tea cost? | Price of green tea? | What is the price of green tea? | Green tea price? | How much do you want for green tea? | What do I pay for green tea? | Tell me the price of green tea.
Green tea costs [6 euros].
绿茶多少钱？ | 绿茶的价格是多少？ | 绿茶价格？ | 绿茶怎么卖？ | 绿茶卖多少钱？ | 绿茶一包多少钱？ | 买绿茶要多少钱？ | 告诉我绿茶的价格。
绿茶[6欧元]。

How much is black tea? | What does the black tea cost? | Price of black tea? | What is the price of black tea? | Black tea price? | How much do you want for black tea? | What do I pay for black tea? | Tell me the price of black tea.
Black tea costs [5 euros].
红茶多少钱？ | 红茶的价格是多少？ | 红茶价格？ | 红茶怎么卖？ | 红茶卖多少钱？ | 红茶一包多少钱？ | 买红茶要多少钱？ | 告诉我红茶的价格。
红茶[5欧元]。

How much is jasmine tea? | What does the jasmine tea cost? | Price of jasmine tea? | What is the price of jasmine tea? | Jasmine tea price? | How much do you want for jasmine tea? | What do I pay for jasmine tea? | Tell me the price of jasmine tea.
Jasmine tea costs [8 euros].
茉莉花茶多少钱？ | 茉莉花茶的价格是多少？ | 茉莉花茶价格？ | 茉莉花茶怎么卖？ | 茉莉花茶卖多少钱？ | 茉莉花茶一包多少钱？ | 买茉莉花茶要多少钱？ | 告诉我茉莉花茶的价格。
茉莉花茶[8欧元]。

How much is a teapot? | What does the teapot cost? | Price of a teapot? | What is the price of the teapot? | Teapot price? | How much do you want for the teapot? | What do I pay for a teapot? | Tell me the price of a teapot.
A teapot costs [24 euros].
茶壶多少钱？ | 茶壶的价格是多少？ | 茶壶价格？ | 茶壶怎么卖？ | 茶壶卖多少钱？ | 一个茶壶多少钱？ | 买茶壶要多少钱？ | 告诉我茶壶的价格。
茶壶[24欧元]。

Do you sell coffee? | Can I buy coffee? | Do you have coffee? | Is there coffee? | Coffee? | I would like coffee. | Can I get coffee at your shop? | Does the shop have coffee?
We have [no coffee], only tea.
你们卖咖啡吗？ | 可以买咖啡吗？ | 有咖啡吗？ | 店里有咖啡吗？ | 咖啡？ | 我想买咖啡。 | 你们店能买到咖啡吗？ | 商店有咖啡卖吗？
我们[没有咖啡]，只有茶。

Which tea is the best? | What tea do you recommend? | Which tea should I buy? | What is your favourite tea? | Recommend a tea. | What is your best tea? | Which tea would you recommend to me? | What is the most popular tea?
Most customers love our [jasmine tea].
哪种茶最好？ | 你们推荐什么茶？ | 我该买哪种茶？ | 你们最爱哪种茶？ | 推荐一种茶。 | 最好的茶是什么？ | 你会推荐我买哪种茶？ | 最受欢迎的茶是哪种？
大多数顾客喜欢我们的[茉莉花茶]。

How do I make green tea? | How hot should the water be? | How long does green tea brew? | How is green tea made? | How to brew green tea? | How do you prepare green tea? | What is the right way to make green tea? | Tell me how to make green tea.
Use water of [80 degrees] and wait two minutes.
绿茶怎么泡？ | 水应该多热？ | 绿茶泡多久？ | 怎样泡绿茶？ | 绿茶泡法？ | 如何准备绿茶？ | 泡绿茶的正确方法是什么？ | 告诉我怎么泡绿茶。
用[80度]的水泡两分钟。

Is your tea organic? | Do you sell organic tea? | Is the tea without chemicals? | Are the teas organic? | Organic tea? | Is it organic? | Are your teas grown organically? | Is all of your tea organic?
Yes, all our tea is [organic].
你们的茶是有机的吗？ | 卖有机茶吗？ | 茶里没有农药吧？ | 茶都是有机的吗？ | 有机茶？ | 是有机的吗？ | 你们的茶是有机种植的吗？ | 所有的茶都是有机的吗？
是的，我们的茶都是[有机]的。

Do you have gift cards? | Can I buy a voucher? | Are there gift cards? | Do you sell vouchers? | Gift cards? | I need a gift card. | Could I get a gift card? | Is there a voucher I can give?
Yes, gift cards start at [10 euros].
有礼品卡吗？ | 可以买代金券吗？ | 有没有礼品卡？ | 卖礼品卡吗？ | 礼品卡？ | 我要一张礼品卡。 | 能买到礼品卡吗？ | 有可以送人的礼品卡吗？
有，礼品卡[10欧元]起。

Is there a discount for students? | Do students pay less? | Student discount? | Do you have a discount for students? | I am a student, is it cheaper? | Are there discounts? | Can students get a discount? | Do you give students a lower price?
Students get [10 percent] off.
学生有折扣吗？ | 学生便宜吗？ | 学生折扣？ | 你们给学生打折吗？ | 我是学生，能便宜吗？ | 有折扣吗？ | 学生可以打折吗？ | 学生能享受优惠吗？
学生优惠[百分之十]。

My parcel is broken. | The teapot arrived broken. | Something in my order is broken. | My order is damaged. | I got a broken cup. | The tea arrived damaged. | What if my parcel arrives broken? | My teapot came in pieces.
We are sorry! Send us a photo and you get [a new one].
我的包裹坏了。 | 茶壶收到时是破的。 | 订单里有东西坏了。 | 我的货损坏了。 | 我收到一个破杯子。 | 茶叶到的时候坏了。 | 包裹到了是坏的怎么办？ | 我的茶壶碎了。
很抱歉！请发一张照片，我们给您[换新的]。
`;

export interface ShopFact {
  language: 'en' | 'zh';
  questions: readonly string[];
  kept: readonly string[];
  answer: string;
  expected: string;
}

function fact(language: 'en' | 'zh', asked: string, answered: string): ShopFact {
  const all = asked.split(' | ').map((question) => question.trim());
  return {
    language,
    questions: all.slice(0, -2),
    kept: all.slice(-2),
    answer: answered.replace(/[[\]]/g, ''),
    expected: /\[(.*?)\]/.exec(answered)![1],
  };
}

export const facts: readonly ShopFact[] = TEXT.trim()
  .split(/\n\n+/)
  .flatMap((block) => {
    const [askEn, answerEn, askZh, answerZh] = block.split('\n');
    return [fact('en', askEn, answerEn), fact('zh', askZh, answerZh)];
  });
